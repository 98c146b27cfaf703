from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.video.resample import Resampling

RATES = [Fraction(12), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50)]


def kept(rule: Resampling, times: np.ndarray, fps: Fraction | None) -> np.ndarray:
    keep = rule.selector(fps)
    return np.array([i for i, t in enumerate(times) if keep(float(t))])


def constant(fps: Fraction, count: int = 400, first: int = 0, unit: float = 0.0) -> np.ndarray:
    """Times at a constant rate from frame `first` on, rounded to `unit` as containers do."""
    times = (first + np.arange(count)) / float(fps)
    return np.round(times / unit) * unit if unit else times


@given(st.sampled_from(RATES), st.integers(1, 9), st.sampled_from([0.0, 0.001]))
def test_stride_of_a_constant_rate_counts_frames(fps: Fraction, n: int, unit: float) -> None:
    times = constant(fps, unit=unit)
    np.testing.assert_array_equal(kept(Resampling(stride=n), times, fps), np.arange(400)[::n])


@pytest.mark.parametrize("first", [0, 1, 2, 3, 7])
def test_strides_of_two_spans_agree_after_the_first_cell(first: int) -> None:
    whole = kept(Resampling(stride=4), constant(Fraction(25)), Fraction(25))
    later = kept(Resampling(stride=4), constant(Fraction(25), first=first), Fraction(25)) + first
    np.testing.assert_array_equal(
        later[(later >= first + 4) & (later < 400)], whole[whole >= first + 4]
    )


@given(st.sampled_from(RATES), st.floats(1, 60), st.sampled_from([0.0, 0.001]))
def test_fps_keeps_to_the_ideal_grid(fps: Fraction, target: float, unit: float) -> None:
    times = constant(fps, unit=unit)
    found = times[kept(Resampling(fps=target), times, fps)]
    if target >= float(fps) * 1.01:
        assert len(found) == len(times)
        return
    grid = np.arange(int(times[-1] * target)) / target
    distance = np.abs(found[:, None] - grid).min(axis=0)
    assert distance.max() <= 1 / float(fps) + 0.001
    assert len(found) <= times[-1] * target + 2


@pytest.mark.parametrize(("fps", "target", "step"), [(50, 25, 2), (30, 30, 1), (60, 15, 4)])
def test_fps_that_divides_the_rate_is_a_stride(fps: int, target: int, step: int) -> None:
    times = constant(Fraction(fps), unit=0.001)
    found = kept(Resampling(fps=target), times, Fraction(fps))
    np.testing.assert_array_equal(found, np.arange(400)[::step])


def test_a_slower_video_is_kept_whole_and_never_repeated() -> None:
    found = kept(Resampling(fps=30), constant(Fraction(25)), Fraction(25))
    np.testing.assert_array_equal(found, np.arange(400))


@given(
    st.lists(st.floats(0.002, 0.5), min_size=1, max_size=80), st.floats(1, 40),
    st.sampled_from([None, *RATES]),
)  # fmt: skip
def test_fps_of_a_variable_rate_has_one_frame_per_cell(
    steps: list[float], target: float, fps: Fraction | None
) -> None:
    times = np.cumsum(steps)
    found = kept(Resampling(fps=target), times, fps)
    assert found[0] == 0
    cell = 1 / target
    assert (np.diff(times[found])[1:] > 0).all()
    # Never more than one frame per cell, and a cell that has frames has one.
    assert len(found) <= (times[-1] - times[0]) * target + 2
    for i in range(len(times)):
        assert np.abs(times[found] - times[i]).min() <= cell + 1e-9


@pytest.mark.parametrize(
    ("fps", "limit", "stride"),
    [
        (Fraction(30000, 1001), 30, 1),
        (Fraction(30), 29.97, 1),
        (Fraction(50), 25, 2),
        (Fraction(50), 24, 3),
        (Fraction(25), 12, 3),
        (Fraction(25), 60, 1),
        (Fraction(60), 29.97, 2),
    ],
)
def test_limit_is_the_least_stride_within_it(fps: Fraction, limit: float, stride: int) -> None:
    times = constant(fps)
    found = kept(Resampling(fps_limit=limit), times, fps)
    np.testing.assert_array_equal(found, np.arange(400)[::stride])


def test_unknown_rate_counts_frames_or_limits_by_time() -> None:
    times = np.array([0.0, 0.3, 0.31, 0.32, 1.0, 1.5, 2.0])
    np.testing.assert_array_equal(kept(Resampling(stride=3), times, None), [0, 3, 6])
    np.testing.assert_array_equal(kept(Resampling(fps_limit=1), times, None), [0, 4, 6])
    np.testing.assert_array_equal(kept(Resampling(), times, None), np.arange(7))


def test_stride_one_keeps_even_what_is_closer_than_the_rate() -> None:
    times = np.array([0.0, 0.001, 0.002, 1.0])
    np.testing.assert_array_equal(kept(Resampling(), times, Fraction(4)), np.arange(4))
