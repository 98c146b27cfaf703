"""A keypoint stream: the blocks that turn the points of one part into a feature per frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slt_cli.models.mska.block import NormedLinear, SpatialTemporalBlock, every
from slt_cli.models.mska.sgr import GlobalAttention


class KeypointStreamEncoder(nn.Module):
    """The points of one part of the body to one feature for every fourth frame.

    By default neither padding nor missing points change the result: a missing joint gives nothing
    to others, a seen one as much as its confidence, and every sum over time leaves padded frames
    out. With `masked=False` all frames and points count alike, as in the published code.
    """

    def __init__(
        self,
        *,
        num_points: int,
        input_dim: int = 3,
        width: int | Sequence[int] = 256,
        blocks: int = 8,
        heads: int = 6,
        kernel: int = 3,
        dilation: int = 1,
        dropout: float = 0.1,
        negative_slope: float = 0.1,
        masked: bool = True,
        sgr: GlobalAttention | None = None,
    ) -> None:
        """`width`: channels of the last half of the blocks; or of the input, then of each block."""
        super().__init__()
        widths = block_widths(width, blocks) if isinstance(width, int) else tuple(width)
        self.out_dim = widths[-1]
        self.masked = masked
        self.negative_slope = negative_slope
        self.sgr = sgr
        self.input_map = NormedLinear(input_dim, widths[0])
        self.blocks = nn.ModuleList(
            SpatialTemporalBlock(
                widths[i], widths[i + 1], num_points=num_points, heads=heads,
                head_width=widths[i + 1] // 4, kernel=kernel if i else 2 * kernel + 1,
                stride=2 if i in (0, blocks // 2) else 1, dilation=dilation, dropout=dropout,
                negative_slope=negative_slope,
            )
            for i in range(blocks)
        )  # fmt: skip

    def forward(self, points: Tensor, valid: Tensor, frame_valid: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch of clips.

        Args:
            points: (B, T, V, C) x, y and, with `input_dim` 3, the confidence in [0, 1]. Points
                that are not valid may hold anything, NaN included (unless `masked` is off).
            valid: (B, T, V) bool, whether a point was seen.
            frame_valid: (B, T) bool, False on padding, which comes last.

        Returns: features (B, T', D) and their mask (B, T'); T' = ceil(ceil(T / 2) / 2).
        """
        points, presence = self._weigh(points, valid & frame_valid[..., None])
        padding = frame_valid if self.masked and _some_false(frame_valid) else None
        x = self.input_map(points.transpose(1, 2).contiguous(), padding)  # (B, V, T, D)
        x = F.leaky_relu_(x.mul_(presence[..., None]), self.negative_slope)
        for block in self.blocks:
            x = block(x, presence, padding, self.sgr)
            if block.stride > 1:
                frame_valid = every(frame_valid, 1, block.stride)
                padding = None if padding is None else frame_valid
                presence = _thinned(presence, block.stride)
                if self.masked:
                    presence = presence * frame_valid[:, None]
        features = x.mean(1)
        if self.masked:
            features = features.masked_fill(~frame_valid[..., None], 0.0)
        return features, frame_valid

    def _weigh(self, points: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Points with zeros where nothing was seen, and how much each counts: (B, V, T)."""
        if not self.masked:
            return points, torch.ones_like(points[..., 0]).transpose(1, 2).contiguous()
        points = torch.where(seen[..., None], points, torch.zeros_like(points))
        presence = seen.to(points.dtype)
        if points.shape[-1] == 3:
            presence = presence * points[..., 2].detach().clamp(0, 1)
        return points, presence.transpose(1, 2).contiguous()


def block_widths(width: int, blocks: int) -> tuple[int, ...]:
    """Channels of the input and of each block: a quarter of `width`, then half of it, then all."""
    after = [width // 4 if i < blocks / 4 else width // 2 if i < blocks / 2 else width
             for i in range(blocks)]  # fmt: skip
    return after[0], *after


def _thinned(presence: Tensor, stride: int) -> Tensor:
    """(B, V, T) -> (B, V, T'): a joint seen next to a frame that stays counts there."""
    # In two dimensions, because the exporter fixes the length of max_pool1d.
    return F.max_pool2d(presence[:, None], (1, 3), stride=(1, stride), padding=(0, 1))[:, 0]


def _some_false(mask: Tensor) -> bool:
    """Whether anything is masked; assumed while a graph is traced, which holds for any batch."""
    return torch.compiler.is_compiling() or not bool(mask.all())
