"""The keypoint network: four streams of points, four gloss heads, and all heads together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slt_cli.losses.distillation import ensemble_log_probs
from slt_cli.models.attention import TransformerLayer
from slt_cli.models.mska.head import GlossHead
from slt_cli.models.mska.sgr import GlobalAttention
from slt_cli.models.mska.stack import KeypointStreamEncoder

# Parts whose features a head reads side by side, in this order.
HEAD_PARTS = {
    "left": ("hand_left", "face"),
    "right": ("hand_right", "face"),
    "fuse": ("hand_left", "face", "hand_right", "body"),
    "body": ("body",),
}


@dataclass(frozen=True)
class SgrOptions:
    """The learned matrix in the attention of the streams: see `GlobalAttention`.

    `shared`: one matrix for all streams, sized for the largest, not one for each.
    """

    activation: str = "softmax"
    mix: float = 0.5
    shared: bool = True


@dataclass
class MSKAOutput:
    """What the network says about a batch, at a quarter of the frame rate.

    `gloss_feature` (B, T', D_g) of the fuse head; `logits` head -> (B, T', K), empty without
    classes; `ensemble` (B, T', K) log-probabilities of all heads together, None with fewer than
    two; `valid` (B, T') bool.
    """

    gloss_feature: Tensor
    logits: dict[str, Tensor]
    ensemble: Tensor | None
    valid: Tensor


class MSKAEncoder(nn.Module):
    """Multi-stream keypoint attention (Guan et al. 2024, sections 3.2 and 3.3).

    One stack of blocks per part of the body, then heads over the features of several parts. Parts
    may be left out: a head reads those of its parts that are there, and with a single part `fuse`
    is the only head.

    Beyond the published network: attention between the streams at each frame (`heads` above 0), a
    learned matrix in the attention between points (`sgr`), and masks. With `masked=False` it
    computes what the authors' code computes, padding and missing points included.
    """

    stride = 4  # frames of input per frame of output

    def __init__(
        self,
        *,
        num_points: Mapping[str, int],
        num_classes: int,
        input_dim: int = 3,
        width: int = 256,
        blocks: int = 8,
        stream_heads: int = 6,
        heads: int = 0,
        kernel: int = 3,
        dilation: int = 1,
        ff_multiplier: int = 4,
        dropout: float = 0.1,
        negative_slope: float = 0.1,
        masked: bool = True,
        sgr: SgrOptions | None = None,
    ) -> None:
        """`num_points`: part -> V; `num_classes` with the CTC blank, 0 for features alone."""
        super().__init__()
        self.masked, self.input_dim = masked, input_dim
        self.gloss_dim = 2 * width
        matrices = _matrices(num_points, sgr)
        self.stacks = nn.ModuleDict(
            {
                part: KeypointStreamEncoder(
                    num_points=points, input_dim=input_dim, width=width, blocks=blocks,
                    heads=stream_heads, kernel=kernel, dilation=dilation, dropout=dropout,
                    negative_slope=negative_slope, masked=masked, sgr=matrices.get(part),
                )
                for part, points in num_points.items()
            }
        )  # fmt: skip
        self.between = None
        if heads and len(num_points) > 1:
            self.between = TransformerLayer(
                width=width, heads=heads, dropout=dropout, ff_multiplier=ff_multiplier
            )
        self.head_parts = _head_parts(num_points, with_classes=num_classes > 0)
        self.heads = nn.ModuleDict(
            {
                name: GlossHead(
                    in_dim=len(parts) * width, width=self.gloss_dim, num_classes=num_classes,
                    ff_multiplier=ff_multiplier, dropout=dropout, masked=masked,
                )
                for name, parts in self.head_parts.items()
            }
        )  # fmt: skip

    def forward(
        self, points: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> MSKAOutput:
        """Features and gloss scores of a batch.

        Args:
            points: part -> (B, T, V, C); the first `input_dim` values are read.
            valid: part -> (B, T, V) bool, whether a point was seen.
            frame_valid: (B, T) bool, False on padding, which comes last.
        """
        if self.masked and torch.compiler.is_compiling():
            return self._for_any_length(points, valid, frame_valid)
        return self._encode(points, valid, frame_valid)

    def _for_any_length(
        self, points: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> MSKAOutput:
        """As `forward`, with padding behind the clips that is cut off again.

        A graph is traced for axes of two entries or more; this makes it hold for the shortest clip.
        """
        points = {part: F.pad(x, (0, 0, 0, 0, 0, self.stride)) for part, x in points.items()}
        valid = {part: F.pad(x, (0, 0, 0, self.stride)) for part, x in valid.items()}
        output = self._encode(points, valid, F.pad(frame_valid, (0, self.stride)))
        return MSKAOutput(
            output.gloss_feature[:, :-1],
            {name: logits[:, :-1] for name, logits in output.logits.items()},
            None if output.ensemble is None else output.ensemble[:, :-1],
            output.valid[:, :-1],
        )

    def _encode(
        self, points: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> MSKAOutput:
        features, feature_valid = self._streams(points, valid, frame_valid)
        if self.between is not None:
            features = self._mixed(features, valid, frame_valid)
        gloss_feature, logits = None, {}
        for name, head in self.heads.items():
            joined = torch.cat([features[part] for part in self.head_parts[name]], dim=-1)
            feature, scores = head(joined, feature_valid)
            if name == "fuse":
                gloss_feature = feature
            if scores is not None:
                logits[name] = scores
        assert gloss_feature is not None
        ensemble = ensemble_log_probs(logits.values()) if len(logits) > 1 else None
        return MSKAOutput(gloss_feature, logits, ensemble, feature_valid)

    def _streams(
        self, points: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Part -> (B, T', D), and the mask (B, T') that all parts have."""
        features, feature_valid = {}, frame_valid
        for part, stack in self.stacks.items():
            values = points[part][..., : self.input_dim]
            features[part], feature_valid = stack(values, valid[part], frame_valid)
        return features, feature_valid

    def _mixed(
        self, features: dict[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> dict[str, Tensor]:
        """Features after attention between the streams, at each frame alone.

        A stream of which the clip never shows a point is not attended to (masked mode).
        """
        x = torch.stack(list(features.values()), dim=2)  # (B, T', S, D)
        b, t, s, d = x.shape
        seen = [(valid[part] & frame_valid[..., None]).flatten(1).any(1) for part in features]
        attended = torch.stack(seen, dim=1) | (not self.masked)  # (B, S)
        rows = attended[:, None].expand(b, t, s).reshape(b * t, s)
        x = self.between(x.reshape(b * t, s, d), rows).view(b, t, s, d)
        return dict(zip(features, x.unbind(2), strict=True))


def _matrices(num_points: Mapping[str, int], sgr: SgrOptions | None) -> dict[str, GlobalAttention]:
    """The learned matrix of each part; one and the same for all when it is shared."""
    if sgr is None:
        return {}
    if sgr.shared:
        largest = max(num_points.values())
        one = GlobalAttention(max_points=largest, activation=sgr.activation, mix=sgr.mix)
        return dict.fromkeys(num_points, one)
    return {
        part: GlobalAttention(max_points=points, activation=sgr.activation, mix=sgr.mix)
        for part, points in num_points.items()
    }


def _head_parts(num_points: Mapping[str, int], *, with_classes: bool) -> dict[str, list[str]]:
    """Head -> the parts it reads, of those that are there.

    Without classes only the feature of `fuse` is of use; with one part all heads would be alike.
    """
    present = {
        head: [part for part in parts if part in num_points] for head, parts in HEAD_PARTS.items()
    }
    if not with_classes or len(num_points) == 1:
        return {"fuse": present["fuse"]}
    return {head: parts for head, parts in present.items() if parts}
