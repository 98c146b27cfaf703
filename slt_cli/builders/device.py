"""The device that a setting names."""

from __future__ import annotations

import torch

from slt_cli.errors import MissingAsset, UsageError


def resolve_device(name: str) -> torch.device:
    """`auto` is the first GPU or else the CPU. Raises `MissingAsset` for an absent GPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {name!r}", where="training.device", hint="--device cpu"
        ) from error
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise MissingAsset("no such GPU here", where=name, hint="--device cpu, or slt doctor")
    return device
