"""The optimiser: AdamW without weight decay on biases, norms and single vectors."""

from __future__ import annotations

import torch
from torch import nn

from slt_cli.training.schedules import cosine_schedule, linear_schedule


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
    warmup = min(warmup, total // 2)
    start = peak / max(1, warmup)
    if schedule == "cosine":
        return cosine_schedule(step, total, peak, 0.0, warmup, start)
    if step < warmup:
        return linear_schedule(step, warmup, start, peak)
    return peak if schedule == "none" else linear_schedule(step - warmup, total - warmup, peak, 0.0)
