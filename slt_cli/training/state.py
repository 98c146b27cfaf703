"""Everything that must be restored for a run to continue bit by bit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn


@dataclass
class Progress:
    """Where a run stands. `batch` counts the batches of `epoch` already used."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0


def state_dict(
    model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> dict[str, Any]:
    """Model, optimiser, position and random state as tensors and plain values."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": dict(vars(progress)),
        "rng": rng_state(),
        "threads": torch.get_num_threads(),
    }


def load_state_dict(
    payload: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """Restore `state_dict`'s payload in place and return the position."""
    model.load_state_dict(payload["model"])
    optimizer.load_state_dict(payload["optimizer"])
    set_rng_state(payload["rng"])
    return Progress(**payload["progress"])


def rng_state() -> dict[str, Any]:
    """Random state of torch, NumPy and Python without pickled objects."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore `rng_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))


def seed_everything(seed: int) -> None:
    """Seed torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
