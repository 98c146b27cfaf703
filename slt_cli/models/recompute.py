"""Compute activations again in the backward pass instead of keeping them (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from slt_cli.models.mska.norm import MaskedBatchNorm


def recompute_activations(module: nn.Module) -> None:
    """Keep of the module's training passes nothing but what goes into it.

    Gradients, random numbers and the statistics of its norms are those of one pass. The names of
    its parameters stay. In a compiled model the compiler decides what is kept.
    """
    forward = module.forward

    def kept_small(*inputs: Any, **named: Any) -> Any:
        learns = module.training and torch.is_grad_enabled()
        if not learns or torch.compiler.is_compiling():
            return forward(*inputs, **named)
        return checkpoint(
            forward, *inputs, use_reentrant=False,
            context_fn=lambda: (nullcontext(), _statistics_left_alone(module)), **named,
        )  # fmt: skip

    module.forward = kept_small


@contextmanager
def _statistics_left_alone(module: nn.Module) -> Iterator[None]:
    norms = [part for part in module.modules() if isinstance(part, MaskedBatchNorm)]
    for norm in norms:
        norm.learns = False
    try:
        yield
    finally:
        for norm in norms:
            norm.learns = True
