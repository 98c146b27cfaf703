"""The keypoint stream of MSKA written down as plainly as it can be, to measure against.

(B, C, T, V) tensors, one PyTorch module per formula, no masks; parameters have the names of the
published checkpoints.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1
HEADS = 6


def conv_norm(c: int, d: int, kernel: tuple[int, int] = (1, 1), stride: int = 1) -> nn.Sequential:
    padding = (kernel[0] // 2, 0)
    return nn.Sequential(
        nn.Conv2d(c, d, kernel, stride=(stride, 1), padding=padding), nn.BatchNorm2d(d)
    )


class PlainBlock(nn.Module):
    def __init__(self, c: int, d: int, joints: int, kernel: int, stride: int, dropout: float):
        super().__init__()
        self.width = d // 4
        rate = 10_000.0 ** (-torch.arange(0, c, 2) / c)
        angle = torch.arange(joints) * rate[:, None]  # (C / 2, V)
        table = torch.stack([angle.sin(), angle.cos()], dim=1).view(1, c, 1, joints)
        self.register_buffer("pe", table, persistent=False)
        self.in_nets = nn.Conv2d(c, 2 * HEADS * self.width, 1)
        self.alphas = nn.Parameter(torch.ones(1, HEADS, 1, 1))
        self.attention0s = nn.Parameter(torch.full((1, HEADS, joints, joints), 1 / joints))
        self.drop = nn.Dropout(dropout)
        self.out_nets = conv_norm(HEADS * c, d)
        self.ff_nets = conv_norm(d, d)
        self.out_nett = conv_norm(d, d, (kernel, 1), stride)
        changes = c != d or stride > 1
        self.downs1 = conv_norm(c, d) if changes else nn.Identity()
        self.downs2 = conv_norm(c, d) if changes else nn.Identity()
        self.downt2 = conv_norm(d, d, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        b, c, t, v = x.shape
        q, k = self.in_nets(x + self.pe).view(b, 2, HEADS, self.width, t, v).unbind(1)
        scores = torch.einsum("bsctu,bsctv->bsuv", q, k) / (self.width * t)
        maps = self.drop(torch.tanh(scores) * self.alphas + self.attention0s)
        heads = torch.einsum("bctu,bsuv->bsctv", x, maps).reshape(b, HEADS * c, t, v)
        y = F.leaky_relu(self.downs1(x) + self.out_nets(heads), SLOPE)
        y = F.leaky_relu(self.downs2(x) + self.ff_nets(y), SLOPE)
        return F.leaky_relu(self.downt2(y) + self.out_nett(y), SLOPE)


class PlainStack(nn.Module):
    def __init__(self, joints: int, input_dim: int = 3, dropout: float = 0.1):
        super().__init__()
        widths = [64, 64, 64, 128, 128, 256, 256, 256, 256]
        self.input_map = conv_norm(input_dim, widths[0])
        self.blocks = nn.ModuleList(
            PlainBlock(c, d, joints, 3 if i else 7, 2 if i in (0, 4) else 1, dropout)
            for i, (c, d) in enumerate(itertools.pairwise(widths))
        )

    def forward(self, points: Tensor) -> Tensor:
        """(B, T, V, C) -> (B, T / 4, 256)."""
        x = F.leaky_relu(self.input_map(points.permute(0, 3, 1, 2)), SLOPE)
        for block in self.blocks:
            x = block(x)
        return x.mean(3).transpose(1, 2)
