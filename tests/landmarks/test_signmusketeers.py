"""Seven points in the signing space of SignMusketeers, checked against numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from slt_cli.landmarks.signmusketeers import POINTS, signmusketeers_pose
from tests.landmarks.points import BODY, LAYOUT, Clip, frame

# 200 x 100 px: shoulders 40 px apart, so a head unit is 20 px; nose at (100, 20), left eye at
# (106, 15). The signing space spans 120 x 140 px from (100 - 60, 15 - 10) = (40, 5).
SEEN = BODY | {"POSE.LEFT_EYE": (0.53, 0.15)}


def pose_of(
    *frames: dict[str, tuple[float, float]], size: tuple[int, int] = (200, 100)
) -> tuple[np.ndarray, np.ndarray]:
    made = [frame(points) for points in frames]
    keypoints = np.stack([np.c_[f.points[:, :2], f.confidence] for f in made])
    return signmusketeers_pose(Clip(keypoints, np.stack([f.valid for f in made]), size))


def test_the_points_are_those_of_the_paper() -> None:
    """MediaPipe pose 0, 11, 12, 13, 14, 15, 16."""
    assert [LAYOUT.index(name) for name in POINTS] == [0, 11, 12, 13, 14, 15, 16]


def test_values_by_hand() -> None:
    points, valid = pose_of(SEEN)
    assert (points.shape, points.dtype) == ((1, 7, 2), np.float32)
    assert valid[0].tolist() == [True, True, True, False, False, True, True]
    want = [
        (0.5, 15 / 140), (80 / 120, 35 / 140), (40 / 120, 35 / 140), (0, 0), (0, 0),
        (100 / 120, 65 / 140), (20 / 120, 65 / 140),
    ]  # fmt: skip
    np.testing.assert_allclose(points[0], want, atol=1e-6)


def test_the_middle_of_the_signing_space_is_a_half() -> None:
    """60 px below and right of (40, 5): 3 of 6 and 3.5 of 7 head units."""
    points, _ = pose_of(SEEN | {"POSE.RIGHT_WRIST": (100 / 200, 75 / 100)})
    np.testing.assert_allclose(points[0, 6], [0.5, 0.5], atol=1e-6)


def test_place_and_resolution_do_not_matter() -> None:
    moved = {name: (x / 2 + 0.1, y / 2 + 0.3) for name, (x, y) in SEEN.items()}
    points, valid = pose_of(moved, size=(2000, 1000))
    want, want_valid = pose_of(SEEN)
    np.testing.assert_allclose(points, want, atol=1e-6)
    np.testing.assert_array_equal(valid, want_valid)


def test_each_frame_has_its_own_unit() -> None:
    """The signer steps back: half as large around (0.5, 0.5) of the picture."""
    back = {name: (x / 2 + 0.25, y / 2 + 0.25) for name, (x, y) in SEEN.items()}
    points, _ = pose_of(SEEN, back)
    np.testing.assert_allclose(points[1], points[0], atol=1e-6)


@pytest.mark.parametrize("lost", ["POSE.NOSE", "POSE.LEFT_EYE", "POSE.LEFT_SHOULDER"])
def test_a_frame_that_cannot_be_placed_repeats_the_one_before(lost: str) -> None:
    without = {name: place for name, place in SEEN.items() if name != lost}
    points, valid = pose_of(without, SEEN, without, {})
    assert not points[0].any()
    assert not valid[0].any()
    for later in (2, 3):
        np.testing.assert_array_equal(points[later], points[1])
        np.testing.assert_array_equal(valid[later], valid[1])


def test_a_missing_wrist_stays_where_it_was_while_the_others_move() -> None:
    moved = {name: (x + (name == "POSE.LEFT_WRIST") * 0.1, y) for name, (x, y) in SEEN.items()}
    del moved["POSE.RIGHT_WRIST"]
    points, valid = pose_of(SEEN, moved)
    np.testing.assert_array_equal(points[1, 6], points[0, 6])
    assert valid[1, 6]
    assert points[1, 5, 0] > points[0, 5, 0]


def test_shoulders_on_one_point_give_no_unit() -> None:
    points, valid = pose_of(SEEN | {"POSE.LEFT_SHOULDER": SEEN["POSE.RIGHT_SHOULDER"]})
    assert not valid.any()
    assert not points.any()


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_them(name: str) -> None:
    keypoints = np.random.default_rng(0).random((3, len(get_layout(name)), 3), np.float32)
    clip = Clip(keypoints, np.ones(keypoints.shape[:2], bool), (640, 480), name)
    points, valid = signmusketeers_pose(clip)
    assert valid.all()
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points[:, 0, 0], 0.5, atol=1e-6)
    empty = Clip(keypoints[:0], np.ones((0, keypoints.shape[1]), bool), (640, 480), name)
    assert signmusketeers_pose(empty)[0].shape == (0, 7, 2)
