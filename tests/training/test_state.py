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
    same_bits,
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


def test_the_loss_scale_survives_a_checkpoint_file(tmp_path) -> None:
    model = nn.Linear(2, 1)
    optimizer = build_adamw(model, lr=0.1, weight_decay=0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(model(torch.full((1, 2), torch.inf)).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    save_checkpoint(tmp_path / "c.pt", state_dict(model, optimizer, Progress(), scaler))
    other = torch.amp.GradScaler("cpu", init_scale=1024.0)
    load_state_dict(load_checkpoint(tmp_path / "c.pt"), model, optimizer, other)
    assert other.get_scale() == scaler.get_scale() == 4.0


def test_a_payload_does_not_change_with_the_run_it_was_taken_from() -> None:
    model = nn.Linear(2, 1)
    progress = Progress(sums={"loss": 1.0})
    payload = state_dict(model, build_adamw(model, lr=0.1, weight_decay=0.0), progress)
    progress.sums["loss"] = 2.0
    assert payload["progress"]["sums"] == {"loss": 1.0}


def test_what_changes_the_bits_of_a_resumed_run_is_named() -> None:
    model = nn.Linear(2, 1)
    payload = state_dict(model, build_adamw(model, lr=0.1, weight_decay=0.0), Progress())
    assert same_bits(payload) is None
    assert "OMP_NUM_THREADS=99" in str(same_bits({**payload, "threads": 99}))
    assert "2 processes" in str(same_bits({**payload, "processes": 2}))
