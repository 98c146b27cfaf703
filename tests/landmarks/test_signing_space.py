from __future__ import annotations

import numpy as np

from slt_cli.landmarks.signing_space import signing_space_v1
from tests.landmarks.points import BODY, LAYOUT, frame


def pose_of(*frames: dict[str, tuple[float, float]], points: int = 17) -> np.ndarray:
    made = [frame(points) for points in frames]
    keypoints = np.stack([np.c_[f.points[:, :2], f.confidence] for f in made])
    valid = np.stack([f.valid for f in made])
    return signing_space_v1(keypoints, valid, LAYOUT, points).reshape(len(frames), points, 3)


def test_formula_by_hand() -> None:
    """Origin (0.5, 0.4), unit 0.2: the left wrist is 0.2 right of it and 0.3 below."""
    pose = pose_of(BODY)[0]
    np.testing.assert_allclose(pose[0], [0.5, 0.5 - 0.2 / 1.4, 1], atol=1e-6)
    np.testing.assert_allclose(pose[15], [0.5 + 0.2 / 1.2, 0.5 + 0.3 / 1.4, 1], atol=1e-6)
    np.testing.assert_array_equal(pose[3], [-1, -1, 0])


def test_far_points_are_clipped_to_the_box() -> None:
    pose = pose_of(BODY | {"POSE.LEFT_WRIST": (5.0, -5.0)})[0]
    np.testing.assert_array_equal(pose[15, :2], [1, 0])


def test_frame_without_pose_repeats_the_one_before() -> None:
    pose = pose_of({}, BODY, {}, {}, BODY | {"POSE.NOSE": (0.5, 0.1)})
    np.testing.assert_array_equal(pose[0], np.tile([-1, -1, 0], (17, 1)))
    np.testing.assert_array_equal(pose[2], pose[1])
    np.testing.assert_array_equal(pose[3], pose[1])
    assert not np.array_equal(pose[4], pose[1])


def test_nose_on_the_shoulders_has_no_unit() -> None:
    pose = pose_of(BODY | {"POSE.NOSE": (0.5, 0.4)})[0]
    np.testing.assert_array_equal(pose, np.tile([-1, -1, 0], (17, 1)))


def test_any_number_of_points() -> None:
    assert pose_of(BODY, points=33).shape == (1, 33, 3)
