from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.losses.dino import Centre, dino_loss
from slt_cli.training.schedules import linear_schedule


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


@pytest.mark.real
def test_three_calls_match_the_published_loss(real_data: Path) -> None:
    numbers = np.load(real_data / "reference_numbers" / "loss_dino.npz")
    centre = Centre(24)
    centre.value.copy_(torch.from_numpy(numbers["center_before"][0]))
    teacher = torch.from_numpy(numbers["teacher"]).view(2, 4, 24)
    for epoch in (0, 1, 5):
        student = torch.from_numpy(numbers["student"]).view(6, 4, 24).requires_grad_()
        temperature = linear_schedule(epoch, 3, 0.04, 0.07)
        loss = dino_loss(student, centre.targets(teacher, temperature))
        loss.backward()
        centre.update(teacher)
        assert student.grad is not None
        assert relative(loss, numbers[f"epoch{epoch}.loss"]) <= 2e-6
        assert relative(student.grad.view(24, 24), numbers[f"epoch{epoch}.grad_student"]) <= 2e-6
        assert relative(centre.value, numbers[f"epoch{epoch}.center_after"][0]) <= 2e-6


def test_each_pair_of_different_views_counts_once() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        torch.randn(5, 3, 7, generator=generator),
        torch.randn(2, 3, 7, generator=generator),
    )
    targets = Centre(7).targets(teacher, 0.04)
    terms = [
        torch.nn.functional.cross_entropy(student[s] / 0.1, targets[g])
        for g in range(2)
        for s in range(5)
        if s != g
    ]
    assert len(terms) == 8
    torch.testing.assert_close(dino_loss(student, targets), torch.stack(terms).mean())


def test_an_indifferent_student_pays_log_k() -> None:
    targets = Centre(16).targets(torch.randn(2, 3, 16), 0.04)
    assert dino_loss(torch.zeros(4, 3, 16), targets).item() == pytest.approx(log(16), rel=1e-6)


def test_the_centre_moves_towards_the_mean_and_removes_a_dominant_output() -> None:
    centre, teacher = Centre(3, momentum=0.5), torch.tensor([[[4.0, 0.0, 0.0], [2.0, 0.0, 0.0]]])
    centre.update(teacher)
    torch.testing.assert_close(centre.value, torch.tensor([1.5, 0.0, 0.0]))
    for _ in range(60):
        centre.update(teacher)
    mean = teacher.mean(dim=(0, 1))
    torch.testing.assert_close(centre.targets(mean, 0.04), torch.full((3,), 1 / 3))


def test_the_centre_is_stored_with_the_weights() -> None:
    assert set(Centre(4).state_dict()) == {"value"}
