"""Everything that must be restored for a run to continue bit by bit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from slt_cli.training.distributed import world


@dataclass
class Progress:
    """Where a run stands.

    `batch` counts the batches of `epoch` already used, `step` the updates of the run. `best` is the
    least score of a validation so far, and `stale` counts the validations since then. `sums` add up
    the epoch; `elapsed_s` of training, `wait_s` of it for data, belong to it, too.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    stale: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0
    wait_s: float = 0.0


def state_dict(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    scaler: torch.amp.GradScaler | None = None,
) -> dict[str, Any]:
    """Model, optimiser, loss scale, position and random state as tensors and plain values."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": {} if scaler is None else scaler.state_dict(),
        "progress": {**vars(progress), "sums": dict(progress.sums)},
        "rng": rng_state(),
        "threads": torch.get_num_threads(),
        "processes": world().size,
    }


def load_state_dict(
    payload: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler | None = None,
) -> Progress:
    """Restore `state_dict`'s payload in place and return the position."""
    model.load_state_dict(payload["model"])
    optimizer.load_state_dict(payload["optimizer"])
    if scaler is not None and payload["scaler"]:
        scaler.load_state_dict(payload["scaler"])
    set_rng_state(payload["rng"])
    return Progress(**payload["progress"])


def same_bits(payload: dict[str, Any]) -> str | None:
    """Why a run that goes on from this payload will not repeat every bit; None if it will.

    Sums come out in another order with other numbers of threads or processes; and of several
    processes only the first one's random state is kept.
    """
    then, now = payload["threads"], torch.get_num_threads()
    if then != now:
        return f"it ran with {then} threads, this is with {now} (OMP_NUM_THREADS={then})"
    before, size = payload["processes"], world().size
    if before != size:
        return f"it ran in {before} processes, these are {size}"
    return "each process draws other random numbers after a restart" if size > 1 else None


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
