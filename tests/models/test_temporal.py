"""The temporal transformer over frames."""

from __future__ import annotations

import math

import pytest
import torch

from slt_cli.models.temporal import TemporalTransformer, sinusoidal_positions


def temporal(layers: int = 2) -> TemporalTransformer:
    torch.manual_seed(0)
    return TemporalTransformer(width=8, layers=layers, heads=2, dropout=0.1).double()


def test_no_layers_are_the_identity() -> None:
    none = temporal(0)
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    valid = torch.tensor([[True] * 4, [True, True, False, False]])
    out = none(x, valid)
    assert torch.equal(out[0], x[0])
    assert torch.equal(out[1, :2], x[1, :2])
    assert not out[1, 2:].any()
    assert list(none.parameters()) == []


def test_positions_are_sines_and_cosines_of_falling_frequency() -> None:
    table = sinusoidal_positions(50, 6, torch.device("cpu")).double()
    rates = [1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)]
    expected = [*(math.sin(7 * r) for r in rates), *(math.cos(7 * r) for r in rates)]
    assert table[7].tolist() == pytest.approx(expected, abs=1e-5)
    assert sinusoidal_positions(3, 5, torch.device("cpu")).shape == (3, 5)


def test_padding_changes_nothing_and_comes_out_as_zeros() -> None:
    model = temporal().eval()
    x = torch.randn(1, 7, 8, dtype=torch.float64)
    valid = torch.arange(7)[None] < 5
    padded = x.masked_fill(~valid[..., None], torch.nan)
    out = model(padded, valid)
    torch.testing.assert_close(out[:, :5], model(x[:, :5], valid[:, :5]), rtol=1e-12, atol=1e-12)
    assert not out[:, 5:].any()


def test_a_clip_without_any_valid_frame_stays_finite() -> None:
    model = temporal().train()
    x = torch.full((1, 3, 8), torch.nan, dtype=torch.float64)
    out = model(x, torch.zeros(1, 3, dtype=torch.bool))
    out.sum().backward()
    assert not out.any()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_frames_see_each_other_and_their_order() -> None:
    model = temporal().eval()
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    valid = torch.ones(1, 5, dtype=torch.bool)
    moved = x.clone()
    moved[0, 4, 0] += 1
    assert (model(x, valid) - model(moved, valid))[0, 0].abs().max() > 1e-6
    backwards = model(x.flip(1), valid).flip(1)
    assert (backwards - model(x, valid)).abs().max() > 1e-6
