from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from slt_cli.training.optim import build_adamw
from slt_cli.training.state import (
    Progress,
    load_state_dict,
    rng_state,
    seed_everything,
    set_rng_state,
    state_dict,
)


def draw() -> tuple[float, float, float]:
    return torch.rand(1).item(), float(np.random.random()), random.random()


def test_random_state_survives_a_checkpoint_file(tmp_path) -> None:
    seed_everything(3)
    draw()
    save_checkpoint(tmp_path / "c.pt", {"rng": rng_state()})
    expected = draw()
    seed_everything(99)
    set_rng_state(load_checkpoint(tmp_path / "c.pt")["rng"])
    assert draw() == expected


def test_a_restored_run_takes_the_same_steps(tmp_path) -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            loss = nn.functional.dropout(model(torch.randn(4, 3)), 0.5).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    seed_everything(0)
    model = nn.Linear(3, 2)
    optimizer = build_adamw(model, lr=0.1, weight_decay=0.1)
    steps(model, optimizer, 3)
    save_checkpoint(tmp_path / "c.pt", state_dict(model, optimizer, Progress(epoch=1, step=3)))
    steps(model, optimizer, 3)
    again = nn.Linear(3, 2)
    other = build_adamw(again, lr=0.5, weight_decay=0.1)
    progress = load_state_dict(load_checkpoint(tmp_path / "c.pt"), again, other)
    assert (progress.epoch, progress.step) == (1, 3)
    steps(again, other, 3)
    assert torch.equal(again.weight, model.weight)
