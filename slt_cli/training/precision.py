"""Numbers of the forward pass: single precision, bfloat16 or half with a scaled loss."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from slt_cli.errors import UsageError

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 1.0
"""Below this the gradients of fp16 overflow although nothing enlarges them."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context of a forward pass in `fp32`, `bf16` or `fp16`."""
    if precision not in TYPES:
        return nullcontext()
    return torch.autocast(device.type, dtype=TYPES[precision])


def check_precision(device: torch.device, precision: str) -> None:
    """Raise `UsageError` for fp16 on a CPU, which has no fast kernels for it."""
    if precision == "fp16" and device.type != "cuda":
        raise UsageError(
            f"fp16 needs a GPU, this device is {device}", where="training.precision",
            hint="--precision bf16",
        )  # fmt: skip


def build_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler | None:
    """The scale that keeps gradients of fp16 from vanishing (Micikevicius et al. 2018), else None.

    Raises as `check_precision` does.
    """
    check_precision(device, precision)
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None
