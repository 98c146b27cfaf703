"""The projection head of DINO (Caron et al. 2021, appendix C)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Prototypes(nn.Module):
    """Bias-free linear layer with rows of fixed length: weight = g v / |v| (Salimans, Kingma 2016).

    g stays at 1, so that no prototype wins by its length.
    """

    def __init__(self, width: int, prototypes: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(prototypes, 1), requires_grad=False)
        self.weight_v = nn.Parameter(torch.empty(prototypes, width))
        nn.init.trunc_normal_(self.weight_v, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, K) of the features (N, width)."""
        return F.linear(x, self.weight_g * F.normalize(self.weight_v, dim=1))


class DinoHead(nn.Module):
    """Three linear layers with GELU, a unit-length bottleneck, then scores over prototypes."""

    def __init__(
        self, width: int, prototypes: int, *, hidden: int = 2048, bottleneck: int = 256
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last_layer = Prototypes(bottleneck, prototypes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, prototypes) of the features (N, width)."""
        return self.last_layer(F.normalize(self.mlp(x), dim=1))
