from __future__ import annotations

import pytest
import torch
from torch import nn

from slt_cli.training.optim import build_adamw, lr_at


def test_warm_up_rises_in_equal_steps_to_the_peak() -> None:
    rates = [lr_at(s, 100, peak=1.0, warmup=4, schedule="none") for s in range(6)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(("schedule", "half"), [("cosine", 0.5), ("linear", 0.5)])
def test_schedules_fall_to_nearly_zero_at_the_end(schedule: str, half: float) -> None:
    rates = [lr_at(s, 101, peak=1.0, warmup=0, schedule=schedule) for s in range(101)]
    assert rates[0] == pytest.approx(1.0)
    assert rates[50] == pytest.approx(half, abs=0.02)
    assert 0 <= rates[100] < 0.02
    assert rates == sorted(rates, reverse=True)


def test_a_warm_up_longer_than_the_run_still_reaches_the_peak() -> None:
    rates = [lr_at(s, 10, peak=1.0, warmup=100, schedule="cosine") for s in range(10)]
    assert max(rates) == pytest.approx(1.0)


def test_only_matrices_that_are_trained_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    model[2].requires_grad_(False)
    decayed, plain = build_adamw(model, lr=0.1, weight_decay=0.5).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
    assert sorted(tuple(p.shape) for p in plain["params"]) == [(2,), (2,), (2,)]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)


def test_decay_pulls_weights_towards_zero_without_a_gradient() -> None:
    model = nn.Linear(2, 2)
    optimizer = build_adamw(model, lr=0.1, weight_decay=0.5)
    before = model.weight.detach().clone()
    (model.weight.sum() * 0.0 + model.bias.sum() * 0.0).backward()
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.1 * 0.5))
