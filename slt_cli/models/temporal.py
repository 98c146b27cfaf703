"""The temporal transformer over fused frame features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from slt_cli.models.attention import TransformerLayer


def sinusoidal_positions(length: int, width: int, device: torch.device) -> Tensor:
    """(length, width) table of Vaswani et al. (2017), section 3.5: sine and cosine halves."""
    position = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    half = (width + 1) // 2
    rate = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / half))
    angle = position * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width]


class TemporalTransformer(nn.Module):
    """Positions, then `layers` transformer layers over time, then a norm; nothing at 0 layers."""

    def __init__(self, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(width=width, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if layers else nn.Identity()

    def forward(self, x: Tensor, frame_valid: Tensor) -> Tensor:
        """(B, T, D) features and (B, T) bool mask -> (B, T, D); padded frames come out as zeros."""
        padding = ~frame_valid[..., None]
        if self.layers:
            x = x.masked_fill(padding, 0)
            x = x + sinusoidal_positions(x.shape[1], x.shape[2], x.device).to(x.dtype)
        for layer in self.layers:
            x = layer(x, frame_valid)
        return self.norm(x).masked_fill(padding, 0)
