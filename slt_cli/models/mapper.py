"""From what the gloss heads say to features that the text decoder reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class GlossMLP(nn.Module):
    """Hidden layers with an activation and dropout, then a linear map, for each frame alone.

    One hidden layer as wide as the decoder and ReLU is the vision-language mapper of Guan et al.
    (2024, section 3.4).
    """

    def __init__(
        self,
        *,
        in_dim: int,
        out_dim: int,
        hidden: Sequence[int],
        activation: str,
        negative_slope: float,
        dropout: float,
    ) -> None:
        super().__init__()
        widths = [in_dim, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.activation = _activation(activation, negative_slope)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(widths[-1], out_dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D_in) gloss features -> (B, T, D_out)."""
        for layer in self.hidden:
            features = self.drop(self.activation(layer(features)))
        return self.out(features)


class GlossEmbedding(nn.Module):
    """The expected embedding of a frame's gloss: probabilities times one column per class."""

    def __init__(self, *, num_classes: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_dim, num_classes))
        nn.init.normal_(self.weight, std=out_dim**-0.5)

    def forward(self, probabilities: Tensor) -> Tensor:
        """(B, T, K) probabilities of the classes -> (B, T, D)."""
        return nn.functional.linear(probabilities, self.weight)

    @torch.no_grad()
    def start_from(self, embeddings: Mapping[int, Tensor]) -> None:
        """Set the columns: class -> (D,) embedding of its gloss, zero for a class without one."""
        self.weight.zero_()
        for gloss, embedding in embeddings.items():
            self.weight[:, gloss] = embedding


def _activation(name: str, negative_slope: float) -> nn.Module:
    if name == "leaky_relu":
        return nn.LeakyReLU(negative_slope)
    return {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[name]()
