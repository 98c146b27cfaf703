"""The multi-stream encoder: crops and pose to one sequence of frame features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.vit import VisionTransformer

POSE = "pose"


class StreamProjector(nn.Module):
    """A linear map from the features of a frame to the width of its stream.

    SignMusketeers (Gueuwou et al. 2025, section 3.2) has no norm here: the features of a vision
    transformer are normed already. Where a stream is missing, a learned vector stands in for it.
    """

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.missing = nn.Parameter(torch.zeros(out_dim))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D_in) features, (B, T) bool -> (B, T, D); what is not valid is never read."""
        known = valid[..., None]
        return torch.where(known, self.linear(x.masked_fill(~known, 0)), self.missing)


class FuseConcatLinear(nn.Module):
    """Streams side by side, then one linear map (SignMusketeers, section 3.2)."""

    def __init__(self, *, in_dims: Sequence[int], out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(sum(in_dims), out_dim)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Sequence of (B, T, D_s) -> (B, T, D)."""
        return self.linear(torch.cat(list(streams), dim=-1))


class MultiStreamEncoder(nn.Module):
    """Any subset of crops and pose, joined per frame and mixed over time.

    `backbones` map parts (`face`, `hand_left`, `hand_right`) to image backbones: modules with
    `embed_dim` whose output for (N, 3, H, W) has `cls` (N, embed_dim). Those named in `frozen` keep
    their weights and stay in evaluation mode. `pose_dim` counts the values of a pose, P * C; 0
    leaves it out. Without `temporal`, frames are not mixed: with three frozen backbones,
    `projector_dim` 256, `pose_dim` 14, `pose_projector_dim` 128 and `d_model` 768 this is the
    encoder of SignMusketeers, but for the vectors of missing streams.

    Crops go through a backbone `frames_per_chunk` at a time. When its gradient takes more than one
    chunk, the activations of a chunk are computed again on the way back instead of being kept
    (Chen et al. 2016), so that memory does not grow with the frames of a batch.
    """

    def __init__(
        self,
        *,
        backbones: Mapping[str, nn.Module] | None = None,
        frozen: frozenset[str] = frozenset(),
        pose_dim: int = 0,
        projector_dim: int = 256,
        pose_projector_dim: int | None = None,
        d_model: int = 512,
        temporal: TemporalTransformer | None = None,
        frames_per_chunk: int = 64,
    ) -> None:
        super().__init__()
        if not backbones and not pose_dim:
            raise ValueError("an encoder needs a backbone or a pose")
        self.frames_per_chunk = frames_per_chunk
        self.frozen = frozenset(frozen)
        self.backbones = nn.ModuleDict(backbones or {})
        self.projectors = nn.ModuleDict(
            {
                part: StreamProjector(in_dim=backbone.embed_dim, out_dim=projector_dim)
                for part, backbone in self.backbones.items()
            }
        )
        widths = [projector_dim] * len(self.backbones)
        if pose_dim:
            width = pose_projector_dim or projector_dim
            self.projectors[POSE] = StreamProjector(in_dim=pose_dim, out_dim=width)
            widths.append(width)
        self.fusion = FuseConcatLinear(in_dims=widths, out_dim=d_model)
        self.temporal = temporal
        for part, backbone in self.backbones.items():
            self._prepare(part, backbone)

    def train(self, mode: bool = True) -> MultiStreamEncoder:
        """Training mode for everything but the frozen backbones."""
        super().train(mode)
        for part in self.frozen:
            self.backbones[part].eval()
        return self

    def replace_backbone(self, part: str, backbone: nn.Module) -> None:
        """Put another backbone into a stream, frozen if the one before was.

        It moves to the device and type of the projector, which is made anew for another width.
        Raises `ValueError` for a stream without a backbone.
        """
        if part not in self.backbones:
            raise ValueError(f"no backbone {part!r} here, only {', '.join(self.backbones)}")
        projector = self.projectors[part]
        weight = projector.linear.weight
        if backbone.embed_dim != weight.shape[1]:
            projector = StreamProjector(in_dim=backbone.embed_dim, out_dim=weight.shape[0])
            self.projectors[part] = projector.to(weight)
        self.backbones[part] = backbone.to(weight).train(self.training)
        self._prepare(part, backbone)

    def _prepare(self, part: str, backbone: nn.Module) -> None:
        """Decide which weights of a backbone are trained."""
        if part in self.frozen:
            backbone.requires_grad_(False).eval()
        elif isinstance(backbone, VisionTransformer):
            # No patch is masked here, so nothing would train it.
            backbone.mask_token.requires_grad_(False)

    def forward(
        self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> Tensor:
        """Encode a batch.

        Args:
            streams: `crops_<part>` (B, T, 3, H, W), or (B, T, D_in) features that the frozen
                backbone gave before; `pose` (B, T, P, C). Other names are ignored.
            valid: the same names: (B, T) and (B, T, P) bool.
            frame_valid: (B, T) bool, False on padding.

        Returns: (B, T, D) features, zero on padding. What is not valid changes nothing, NaN
        included.
        """
        projected = []
        for name, projector in self.projectors.items():
            if name == POSE:
                values, seen = _pose(streams[POSE], valid[POSE] & frame_valid[..., None])
            else:
                seen = valid[f"crops_{name}"] & frame_valid
                values = self._crop_features(name, streams[f"crops_{name}"], seen)
            projected.append(projector(values, seen))
        x = self.fusion(projected).masked_fill(~frame_valid[..., None], 0)
        return x if self.temporal is None else self.temporal(x, frame_valid)

    def _crop_features(self, part: str, crops: Tensor, seen: Tensor) -> Tensor:
        """(B, T, D_in) class features of crops, zero where there is none."""
        if crops.ndim == 3:
            if part not in self.frozen:
                raise ValueError(f"features of {part} were given, but its backbone is trained")
            return crops
        backbone, frames = self.backbones[part], crops.flatten(0, 1)
        if torch.compiler.is_exporting():  # how many frames are valid is not known there
            return backbone(frames).cls.unflatten(0, crops.shape[:2])
        chosen = seen.flatten().nonzero().squeeze(1)
        learns = part not in self.frozen and torch.is_grad_enabled()
        with torch.set_grad_enabled(learns):
            features = self._in_chunks(backbone, frames, chosen, recompute=learns)
        everywhere = features.new_zeros(len(frames), features.shape[1])
        return everywhere.index_copy(0, chosen, features).unflatten(0, crops.shape[:2])

    def _in_chunks(
        self, backbone: nn.Module, frames: Tensor, chosen: Tensor, *, recompute: bool
    ) -> Tensor:
        """(N, D_in) class features of the `chosen` (N,) frames."""
        chunks = chosen.split(self.frames_per_chunk)  # one empty chunk when no frame is chosen
        if recompute and len(chunks) > 1:
            parts = [
                checkpoint(_class_features, backbone, frames, chunk, use_reentrant=False)
                for chunk in chunks
            ]
        else:
            parts = [_class_features(backbone, frames, chunk) for chunk in chunks]
        return torch.cat(parts)


def _class_features(backbone: nn.Module, frames: Tensor, chosen: Tensor) -> Tensor:
    return backbone(frames[chosen]).cls


def _pose(points: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, P * C) values, zero for missing points, and the frames (B, T) with any point."""
    return points.masked_fill(~seen[..., None], 0).flatten(2), seen.any(-1)
