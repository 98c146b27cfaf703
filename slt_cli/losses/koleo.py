"""Spread features evenly: the entropy estimate of Kozachenko and Leonenko as a loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def koleo_loss(features: Tensor, epsilon: float = 1e-8) -> Tensor:
    """-mean log(distance to the nearest other feature + epsilon) (Sablayrolles et al. 2019).

    `features` (N, D) of N >= 2 different images; their length does not count. With equal features
    the loss is large but finite.
    """
    unit = F.normalize(features, dim=1)
    with torch.no_grad():
        nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1)
    # 1e-8 per coordinate, as published, keeps the gradient of equal features finite.
    distance = F.pairwise_distance(unit, unit[nearest], eps=1e-8)
    return -(distance + epsilon).log().mean()
