"""The multi-stream encoder: keypoints, pose and crops to one sequence of frame features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from slt_cli.models.keypoints import KeypointEncoder
from slt_cli.models.temporal import TemporalTransformer

FRAMES_PER_CHUNK = 64  # crops go through a backbone in chunks of this many, to bound memory


class StreamProjector(nn.Module):
    """Backbone or pose features of a frame to the common width."""

    def __init__(self, *, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_dim)
        self.linear = nn.Linear(in_dim, out_dim)
        self.missing = nn.Parameter(torch.zeros(out_dim))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D_in) features, (B, T) bool -> (B, T, D); a learned vector where not valid."""
        return torch.where(valid[..., None], self.linear(self.norm(x)), self.missing)


class FuseConcatLinear(nn.Module):
    """Streams side by side, then one linear map (SignMusketeers, section 3.2)."""

    def __init__(self, *, in_dims: list[int], out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(sum(in_dims), out_dim)

    def forward(self, streams: list[Tensor]) -> Tensor:
        """List of (B, T, D_s) -> (B, T, D)."""
        return self.linear(torch.cat(streams, dim=-1))


class MultiStreamEncoder(nn.Module):
    """Any subset of streams, fused per frame and mixed over time.

    `backbones` map `crops_face`, `crops_hand_left`, `crops_hand_right` to vision transformers whose
    output has `cls` (N, D_in); `frozen` names those that keep their weights.
    """

    def __init__(
        self,
        *,
        keypoints: KeypointEncoder | None,
        backbones: Mapping[str, nn.Module],
        frozen: frozenset[str],
        pose_points: int,
        projector_dim: int,
        temporal: TemporalTransformer,
        d_model: int,
    ) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.backbones = nn.ModuleDict(backbones)
        self.frozen = frozen
        projected = {name: int(backbone.embed_dim) for name, backbone in self.backbones.items()}
        if pose_points:
            projected["pose"] = pose_points * 3
        self.projectors = nn.ModuleDict(
            {
                n: StreamProjector(in_dim=width, out_dim=projector_dim)
                for n, width in projected.items()
            }
        )
        num_streams = len(projected) + (keypoints is not None)
        self.fusion = FuseConcatLinear(in_dims=[projector_dim] * num_streams, out_dim=d_model)
        self.temporal = temporal
        for name in frozen:
            self.backbones[name].requires_grad_(False)

    def forward(
        self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> Tensor:
        """Encode a batch.

        Args:
            streams: `keypoints_<part>` (B, T, V, C), `pose` (B, T, P, 3), `crops_<part>`
                (B, T, 3, H, W).
            valid: the same names: (B, T, V), (B, T, P) and (B, T) bool.
            frame_valid: (B, T) bool, False on padding.

        Returns: (B, T, D) features, zero on padding.
        """
        parts: list[Tensor] = []
        if self.keypoints is not None:
            parts.append(
                self.keypoints(_keypoint_part(streams), _keypoint_part(valid), frame_valid)
            )
        for name, projector in self.projectors.items():
            if name == "pose":
                seen = valid["pose"]
                parts.append(
                    projector((streams["pose"] * seen[..., None]).flatten(2), seen.any(-1))
                )
            else:
                parts.append(projector(self._backbone(name, streams[name]), valid[name]))
        return self.temporal(self.fusion(parts), frame_valid)

    def _backbone(self, name: str, crops: Tensor) -> Tensor:
        """(B, T, 3, H, W) crops -> (B, T, D_in) class features, a chunk of frames at a time."""
        flat = crops.flatten(0, 1)  # (B * T, 3, H, W)
        with torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.frozen):
            if torch.compiler.is_exporting():  # one call: the number of chunks is not known there
                features = self.backbones[name](flat).cls
            else:
                chunks = flat.split(FRAMES_PER_CHUNK)
                features = torch.cat([self.backbones[name](chunk).cls for chunk in chunks])
        return features.view(*crops.shape[:2], -1)


def _keypoint_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "keypoints_"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
