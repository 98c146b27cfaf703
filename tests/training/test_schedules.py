from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slt_cli.training.schedules import cosine_schedule, linear_schedule


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
