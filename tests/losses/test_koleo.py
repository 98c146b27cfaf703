from __future__ import annotations

from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.losses.koleo import koleo_loss


@pytest.mark.real
def test_values_and_gradients_match_the_published_loss(real_data: Path) -> None:
    numbers = np.load(real_data / "reference_numbers" / "loss_dinov2.npz")
    x = torch.from_numpy(numbers["koleo.x"]).requires_grad_()
    loss = koleo_loss(x)
    loss.backward()
    assert x.grad is not None
    assert loss.item() == pytest.approx(float(numbers["koleo.loss"]), rel=2e-6)
    assert koleo_loss(x, 1e-4).item() == pytest.approx(
        float(numbers["koleo.loss_eps1e_4"]), rel=2e-6
    )
    error = np.abs(x.grad.numpy() - numbers["koleo.grad"]).max()
    assert error <= 2e-6 * np.abs(numbers["koleo.grad"]).max()


def test_the_nearest_neighbour_decides() -> None:
    corners = torch.tensor([[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]])  # right angles on the unit circle
    assert koleo_loss(corners).item() == pytest.approx(-log(sqrt(2)), rel=1e-6)


def test_equal_features_give_a_finite_gradient() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    koleo_loss(x, 1e-4).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
