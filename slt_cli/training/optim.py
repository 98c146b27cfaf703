"""Optimisers: one peak rate for each part of the model, no decay where it does no good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

PARTS = ("mska", "backbone", "encoder", "decoder", "mapper")
"""Parts of a translation model that may have a learning rate of their own."""


def part_of(name: str) -> str:
    """The part to which the parameter of that name belongs.

    Vision transformers are `backbone`, what follows them `encoder`; `mapper` is all that lies
    between the encoders and the decoder, and the embedding of glosses.
    """
    first, _, rest = name.partition(".")
    if first == "encoder":
        return "backbone" if rest.startswith("backbones.") else "encoder"
    return first if first in {"mska", "decoder"} else "mapper"


def build_optimizer(
    model: nn.Module,
    *,
    kind: str,
    rates: Mapping[str, float],
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    momentum: float = 0.0,
) -> torch.optim.Optimizer:
    """The optimiser of a translation model, over the parameters that are trained.

    Args:
        model: its parameters are divided by `part_of`.
        kind: `adamw` (Loshchilov and Hutter 2019), `adam` (Kingma and Ba 2015), whose decay is part
            of the gradient, or `sgd`.
        rates: peak learning rate of each of `PARTS`; kept in the groups as `peak`.
        weight_decay: of matrices; biases, norms and single vectors have none.
        betas: of adamw and adam.
        momentum: of sgd.
    """
    members: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            members.setdefault((part_of(name), _is_vector(parameter)), []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": members[part, vector], "part": part, "lr": rates[part], "peak": rates[part],
         "weight_decay": 0.0 if vector else weight_decay}
        for part in PARTS for vector in (False, True) if (part, vector) in members
    ]  # fmt: skip
    if kind == "sgd":
        return torch.optim.SGD(groups, momentum=momentum)
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[kind](groups, betas=betas)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> dict[str, float]:
    """Give every part that share of its peak; returns part -> learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
    return {group["part"]: group["lr"] for group in optimizer.param_groups}


def build_adamw(model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with one rate over the parameters that are trained; only matrices decay."""
    decayed, plain = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def _is_vector(parameter: nn.Parameter) -> bool:
    """Whether it extends along one axis only, or none."""
    return sum(size > 1 for size in parameter.shape) < 2
