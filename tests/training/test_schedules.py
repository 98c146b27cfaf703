from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from slt_cli.training.schedules import RateSchedule, cosine_schedule, linear_schedule


@pytest.mark.real
@pytest.mark.parametrize(("name", "arguments"), [("a", (5e-4, 1e-6, 5)), ("b", (0.996, 1.0, 0))])
def test_cosine_matches_dino(
    real_data: Path, name: str, arguments: tuple[float, float, int]
) -> None:
    expected = np.load(real_data / "reference_numbers" / "loss_dino.npz")[
        f"cosine_scheduler_{name}_f64"
    ]
    ours = [cosine_schedule(step, 20, *arguments) for step in range(20)]
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-18)


@pytest.mark.real
def test_teacher_temperature_matches_dino(real_data: Path) -> None:
    expected = np.load(real_data / "reference_numbers" / "loss_dino.npz")[
        "teacher_temp_schedule_f64"
    ]
    ours = [linear_schedule(epoch, 3, 0.04, 0.07) for epoch in range(10)]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.real
def test_all_curves_match_dinov2_even_past_the_end(real_data: Path) -> None:
    numbers = np.load(real_data / "reference_numbers" / "schedules_dinov2.npz")
    lr = 4e-3 * (128 / 1024) ** 0.5
    curves = {
        "lr_f64": lambda s: cosine_schedule(s, 50, lr, 1e-6, 20),
        "weight_decay_f64": lambda s: cosine_schedule(s, 50, 0.04, 0.4),
        "momentum_f64": lambda s: cosine_schedule(s, 50, 0.992, 1.0),
        "teacher_temp_f64": lambda s: linear_schedule(s, 30, 0.04, 0.07),
    }
    for name, curve in curves.items():
        ours = [curve(step) for step in range(53)]
        np.testing.assert_allclose(ours, numbers[name], rtol=1e-9, err_msg=name)


def test_warm_up_ends_on_the_base_which_is_repeated() -> None:
    values = [cosine_schedule(step, 10, 1.0, 0.0, warmup=3, start=0.5) for step in range(12)]
    assert values[:4] == [0.5, 0.75, 1.0, 1.0]
    assert values[4:10] == sorted(values[4:10], reverse=True)
    assert values[9] > 0
    assert values[10:] == [0.0, 0.0]


def test_halfway_through_the_cosine_is_the_middle() -> None:
    assert cosine_schedule(6, 10, 3.0, 1.0, warmup=2) == pytest.approx(2.0)


def test_a_line_needs_no_length() -> None:
    assert linear_schedule(0, 0, 0.04, 0.07) == 0.07
    assert linear_schedule(0, 1, 0.04, 0.07) == 0.04
    assert linear_schedule(1, 1, 0.04, 0.07) == 0.07


def torch_factors(updates: int, kind: type, **arguments: float) -> list[float]:
    """What a scheduler of torch makes of the rate 1, update by update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = kind(optimizer, **arguments), []
    for _ in range(updates):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def factors(schedule: RateSchedule, updates: int) -> list[float]:
    return [schedule.factor(step) for step in range(updates)]


def test_cosine_after_the_warm_up_is_torch_s() -> None:
    ours = factors(RateSchedule("cosine", total=25, warmup=5, final=0.1), 25)
    expected = torch_factors(20, lr_scheduler.CosineAnnealingLR, T_max=20, eta_min=0.1)
    assert ours[5:] == pytest.approx(expected)
    assert ours[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_linear_after_the_warm_up_is_torch_s() -> None:
    ours = factors(RateSchedule("linear", total=25, warmup=5, final=0.1), 25)
    expected = torch_factors(
        20, lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.1, total_iters=20
    )
    assert ours[5:] == pytest.approx(expected)


def test_steps_are_torch_s_and_the_warm_up_multiplies_them() -> None:
    expected = torch_factors(20, lr_scheduler.StepLR, step_size=3, gamma=0.5)
    plain = RateSchedule("step", total=20, warmup=0, step_updates=3, gamma=0.5)
    assert factors(plain, 20) == pytest.approx(expected)
    warm = RateSchedule("step", total=20, warmup=4, step_updates=3, gamma=0.5)
    rising = [share * rate for share, rate in zip((0.25, 0.5, 0.75, 1.0), expected, strict=False)]
    assert factors(warm, 4) == pytest.approx(rising)
    assert factors(warm, 20)[4:] == pytest.approx(expected[4:])


def test_without_a_schedule_the_warm_up_rises_in_equal_steps_to_the_peak() -> None:
    assert factors(RateSchedule("none", total=100, warmup=4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", ["none", "step", "cosine", "linear"])
def test_a_warm_up_longer_than_the_run_still_reaches_the_peak(kind: str) -> None:
    schedule = RateSchedule(kind, total=10, warmup=100, step_updates=10, gamma=0.1)
    assert max(factors(schedule, 10)) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["cosine", "linear"])
def test_the_final_share_is_kept_past_the_end(kind: str) -> None:
    schedule = RateSchedule(kind, total=10, warmup=2, final=0.25)
    assert [schedule.factor(step) for step in (10, 11, 50)] == pytest.approx([0.25] * 3)
