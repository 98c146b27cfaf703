"""Short gaps of landmarks are filled in a straight line; files and longer gaps stay as they are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.data.inputs import Masks, ModelInputs, Points
from slt_cli.data.interpolate import fill_gaps
from slt_cli.landmarks.layouts import get_layout

LAYOUT = get_layout("mediapipe_holistic_543")


def clip_of(seen: str, values: list[float], time_s: list[float] | None = None) -> ClipKeypoints:
    """One value per frame for all coordinates of all points; `.` marks the frames not seen."""
    valid = np.array([c != "." for c in seen], bool)[:, None].repeat(len(LAYOUT), axis=1)
    value = np.array(values, np.float32)[:, None] * valid
    frames = len(seen)
    return ClipKeypoints(
        keypoints=np.stack([value, value * 2, value / 2], axis=-1).astype(np.float32),
        z=(-value).astype(np.float32), valid=valid,
        time_s=np.arange(frames) / 25 if time_s is None else np.array(time_s),
        crop_box=np.zeros((3, frames, 4), np.int32), crop_source=np.zeros((3, frames), np.uint8),
        layout=LAYOUT.name, frame_size=(100, 100), fps=Fraction(25),
    )  # fmt: skip


def points_of(clip: ClipKeypoints, gap: int) -> tuple[Points, Masks]:
    inputs = ModelInputs(streams=("keypoints",), sequence_length=99, interpolate_gap=gap)
    return inputs.points(clip, lambda: np.zeros((0, 0), np.float32))


def first_x(clip: ClipKeypoints) -> list[float]:
    return [round(float(x), 5) for x in clip.keypoints[:, 0, 0]]


def seen_of(clip: ClipKeypoints) -> str:
    return "".join("x" if v else "." for v in clip.valid[:, 0])


def test_a_gap_is_filled_in_a_straight_line_that_is_half_trusted() -> None:
    filled = fill_gaps(clip_of("x..x", [0.2, 0, 0, 0.5]), 2)
    assert first_x(filled) == [0.2, 0.3, 0.4, 0.5]
    np.testing.assert_allclose(filled.keypoints[:, 7, 1], [0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    np.testing.assert_allclose(filled.keypoints[:, 7, 2], [0.1, 0.075, 0.1, 0.25], rtol=1e-6)
    np.testing.assert_allclose(filled.z[:, 7], [-0.2, -0.3, -0.4, -0.5], rtol=1e-6)
    assert seen_of(filled) == "xxxx"


def test_even_speed_is_in_time_not_in_frames() -> None:
    clip = clip_of("x..x", [0.0, 0, 0, 1.0], [0.0, 0.1, 0.8, 1.0])
    assert first_x(fill_gaps(clip, 5)) == [0.0, 0.1, 0.8, 1.0]


@pytest.mark.parametrize(
    ("seen", "longest", "after"),
    [
        ("x.x", 0, "x.x"), ("x.x", 1, "xxx"), ("x..x", 1, "x..x"), ("x..x", 2, "xxxx"),
        ("..x.x..", 9, "..xxx.."), ("x.x..x", 1, "xxx..x"), ("....", 9, "...."), ("", 3, ""),
        ("xxx", 3, "xxx"),
    ],
)  # fmt: skip
def test_only_short_gaps_between_two_sightings_are_filled(
    seen: str, longest: int, after: str
) -> None:
    clip = clip_of(seen, [0.5] * len(seen))
    filled = fill_gaps(clip, longest)
    assert seen_of(filled) == after
    assert first_x(filled) == [0.5 if c == "x" else 0.0 for c in after]


def test_points_are_filled_each_by_itself() -> None:
    clip = clip_of("xxx", [0.1, 0.2, 0.6])
    clip.valid[1, 5] = False
    clip.keypoints[1, 5] = 0
    filled = fill_gaps(clip, 1)
    assert filled.keypoints[1, 5, 0] == pytest.approx(0.35)
    assert first_x(filled) == first_x(clip)


def test_what_was_seen_and_the_clip_itself_stay_untouched() -> None:
    clip = clip_of("x.x", [0.1, 0, 0.3])
    copy = replace(clip, keypoints=clip.keypoints.copy(), valid=clip.valid.copy(), z=clip.z.copy())
    fill_gaps(clip, 3)
    for name in ("keypoints", "valid", "z"):
        np.testing.assert_array_equal(getattr(clip, name), getattr(copy, name))


def test_frames_of_one_moment_divide_by_nothing() -> None:
    filled = fill_gaps(clip_of("x.x", [0.1, 0, 0.3], [1.0, 1.0, 1.0]), 1)
    assert first_x(filled) == [0.1, 0.1, 0.3]


@given(st.text("x.", min_size=1, max_size=30), st.integers(0, 6), st.integers(0, 2**31))
def test_against_interpolation_by_numpy(seen: str, longest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.1, len(seen)))
    clip = clip_of(seen, list(rng.random(len(seen))), list(times))
    known = [i for i, c in enumerate(seen) if c == "x"]
    filled = fill_gaps(clip, longest)
    for i in range(len(seen)):
        left = max((k for k in known if k <= i), default=None)
        right = min((k for k in known if k >= i), default=None)
        inside = left is not None and right is not None and right - left - 1 <= longest
        assert filled.valid[i, 0] == inside
        if inside:
            want = np.interp(times[i], times[known], clip.keypoints[known, 0, 0])
            assert filled.keypoints[i, 0, 0] == pytest.approx(want, abs=1e-5)
        else:
            assert not filled.keypoints[i].any()


def test_streams_are_filled_on_request_only() -> None:
    clip = clip_of("xx.xx", [0.1, 0.2, 0, 0.4, 0.5])
    clip.keypoints[..., 0] += np.linspace(0, 0.3, len(LAYOUT)) * clip.valid
    _, valid = points_of(clip, 0)
    assert not valid["keypoints_hand_left"][2].any()
    points, valid = points_of(clip, 1)
    assert valid["keypoints_hand_left"].all()
    body = points["keypoints_body"]
    np.testing.assert_allclose(body[2, :, :2], (body[1, :, :2] + body[3, :, :2]) / 2, atol=1e-3)
