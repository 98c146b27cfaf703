"""Keypoint streams: points of body, hands and face to one feature per frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from slt_cli.models.attention import TransformerLayer


class TemporalConvBlock(nn.Module):
    """Residual convolution over time that never reads padded frames: they are zeroed first."""

    def __init__(self, *, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.mix = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, frame_valid: Tensor) -> Tensor:
        """(B, T, D), (B, T) bool -> (B, T, D)."""
        y = self.norm(x) * frame_valid[..., None]
        y = self.conv(y.transpose(1, 2)).transpose(1, 2)
        return x + self.drop(self.mix(nn.functional.gelu(y)))


class KeypointStreamEncoder(nn.Module):
    """One stream of points: joints of a frame to a vector, then convolutions over time.

    A missing joint contributes nothing but its own flag, so "not seen" differs from "at zero".
    """

    def __init__(
        self,
        *,
        num_points: int,
        channels: int,
        width: int,
        blocks: int,
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(num_points * (channels + 1), width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            TemporalConvBlock(width=width, kernel=kernel, dropout=dropout) for _ in range(blocks)
        )

    def forward(self, points: Tensor, valid: Tensor, frame_valid: Tensor) -> Tensor:
        """(B, T, V, C) points, (B, T, V) and (B, T) bool masks -> (B, T, D)."""
        seen = valid[..., None].to(points.dtype)
        x = torch.cat([points * seen, seen], dim=-1).flatten(2)  # (B, T, V * (C + 1))
        x = nn.functional.gelu(self.norm(self.embed(x)))
        for block in self.blocks:
            x = block(x, frame_valid)
        return x


class KeypointEncoder(nn.Module):
    """All keypoint streams, attention between them at every frame, fused by one linear map."""

    def __init__(
        self,
        *,
        num_points: Mapping[str, int],
        channels: int,
        width: int,
        heads: int,
        blocks: int,
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleDict(
            {
                name: KeypointStreamEncoder(
                    num_points=count, channels=channels, width=width, blocks=blocks,
                    kernel=kernel, dropout=dropout,
                )
                for name, count in num_points.items()
            }
        )  # fmt: skip
        self.identity = nn.Parameter(torch.randn(len(num_points), width) * 0.02)
        self.between = TransformerLayer(width=width, heads=heads, dropout=dropout, ff_multiplier=2)
        self.fuse = nn.Linear(len(num_points) * width, width)

    def forward(
        self, points: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> Tensor:
        """Per stream (B, T, V_s, C) points and (B, T, V_s) masks -> (B, T, D)."""
        features = [
            encoder(points[name], valid[name], frame_valid)
            for name, encoder in self.streams.items()
        ]
        seen = [valid[name].any(-1) for name in self.streams]
        x = torch.stack(features, dim=2) + self.identity  # (B, T, S, D)
        b, t, s, d = x.shape
        x = self.between(x.reshape(b * t, s, d), torch.stack(seen, dim=2).reshape(b * t, s))
        return self.fuse(x.reshape(b, t, s * d))
