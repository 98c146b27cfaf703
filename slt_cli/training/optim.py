"""The optimiser: AdamW without weight decay on biases, norms and single vectors."""

from __future__ import annotations

import torch
from torch import nn


def build_adamw(model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the parameters that are trained."""
    decayed, plain = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def lr_at(step: int, total: int, *, peak: float, warmup: int, schedule: str) -> float:
    """Learning rate of update `step` (from 0): linear warm-up, then the schedule down to 0."""
    import math

    warmup = min(warmup, max(total - 1, 0))
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule == "none":
        return peak
    done = (step - warmup) / max(1, total - warmup)
    return peak * (0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done)
