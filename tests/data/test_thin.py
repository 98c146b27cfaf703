from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.data.thin import central_frames, thin_by_time


def test_a_short_clip_keeps_every_frame() -> None:
    assert thin_by_time(np.arange(5) / 25, 8).tolist() == [0, 1, 2, 3, 4]


def test_a_long_clip_is_spread_evenly_with_both_ends() -> None:
    assert thin_by_time(np.arange(9) / 25, 5).tolist() == [0, 2, 4, 6, 8]


def test_variable_frame_rate_is_spread_over_time_not_over_frames() -> None:
    # ten frames in the first second, two in the next: the second half must not vanish
    time_s = np.concatenate([np.linspace(0, 1, 10), [1.5, 2.0]])
    kept = time_s[thin_by_time(time_s, 5)]
    assert kept.tolist() == [0.0, time_s[4], 1.0, 1.5, 2.0] or np.diff(kept).max() <= 0.56


@given(st.integers(0, 2000), st.integers(8, 500))
def test_the_middle_of_a_clip_is_cut_to_a_multiple_of_four(num_frames: int, limit: int) -> None:
    frames = central_frames(num_frames, limit)
    assert (np.diff(frames) == 1).all()
    if num_frames < 4:
        assert len(frames) == num_frames
        return
    assert len(frames) % 4 == 0
    assert len(frames) > min(num_frames, limit) - 4
    before, after = frames[0], num_frames - 1 - frames[-1]
    assert (before == 0) if num_frames <= limit else (0 <= after - before <= 4)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=200), st.integers(2, 50))
def test_frames_are_increasing_few_enough_and_include_the_ends(
    steps: list[float], limit: int
) -> None:
    time_s = np.cumsum(steps)
    kept = thin_by_time(time_s, limit)
    assert len(kept) == min(limit, len(time_s))
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(time_s) - 1)


@given(st.integers(1, 400), st.integers(8, 300), st.sampled_from([12.5, 25.0, 29.97, 60.0]))
def test_at_an_even_rate_no_moment_is_farther_than_half_a_frame(
    num_frames: int, limit: int, fps: float
) -> None:
    """Times in whole milliseconds, as files give them."""
    time_s = np.round(np.arange(num_frames) / fps, 3)
    kept = thin_by_time(time_s, limit)
    if num_frames <= limit:
        assert kept.tolist() == list(range(num_frames))
        return
    assert len(kept) == limit
    moments = np.linspace(time_s[0], time_s[-1], limit)
    assert np.abs(time_s[kept] - moments).max() <= 0.5 / fps + 0.002


def test_a_long_pause_in_the_recording_costs_no_frame_of_the_budget() -> None:
    time_s = np.concatenate([np.arange(20), 1000 + np.arange(20)]) / 25
    kept = thin_by_time(time_s, 30)
    assert len(kept) == len(set(kept.tolist())) == 30
    assert (kept[0], kept[-1]) == (0, 39)
