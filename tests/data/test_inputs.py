"""What a model reads of a clip: frames, points, shapes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.data.inputs import ModelInputs
from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from slt_cli.landmarks.normalise import PUBLISHED, normalise_keypoints
from slt_cli.landmarks.signmusketeers import signmusketeers_pose

BOTH = ModelInputs(streams=("keypoints", "pose"), sequence_length=8)


def clip_of(layout: str = "mediapipe_holistic_543", frames: int = 11) -> ClipKeypoints:
    rng, count = np.random.default_rng(0), len(get_layout(layout))
    return ClipKeypoints(
        keypoints=rng.random((frames, count, 3), np.float32),
        z=np.zeros((frames, count), np.float32), valid=np.ones((frames, count), bool),
        time_s=np.arange(frames) / 25, crop_box=np.zeros((3, frames, 4), np.int32),
        crop_source=np.zeros((3, frames), np.uint8), layout=layout, frame_size=(320, 240),
        fps=Fraction(25),
    )  # fmt: skip


def pose(points: int = 33, frames: int = 11) -> np.ndarray:
    return np.random.default_rng(1).random((frames, 3 * points), np.float32)


def no_pose() -> np.ndarray:
    raise AssertionError("the stored pose is not needed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shapes_of_the_four_keypoint_streams(layout: str) -> None:
    points, valid = replace(BOTH, streams=("keypoints",)).points(clip_of(layout), no_pose)
    counts = {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}
    assert {name: x.shape for name, x in points.items()} == {
        f"keypoints_{part}": (11, count, 3) for part, count in counts.items()
    }
    assert {name: mask.shape for name, mask in valid.items()} == {
        f"keypoints_{part}": (11, count) for part, count in counts.items()
    }


def test_the_kind_of_normalisation_reaches_the_points() -> None:
    clip = clip_of()
    points, _ = replace(BOTH, keypoints=PUBLISHED).points(clip, pose)
    for part, stream in normalise_keypoints(clip, PUBLISHED).items():
        np.testing.assert_array_equal(points[f"keypoints_{part}"], stream.x)


def test_long_clips_are_thinned_or_cut_to_their_middle() -> None:
    time_s = np.arange(15) / 25
    assert BOTH.frames(time_s).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert replace(BOTH, keypoints=PUBLISHED).frames(time_s).tolist() == list(range(3, 11))


def test_a_stored_pose_keeps_its_first_points_and_its_missing_ones_are_not_valid() -> None:
    stored = pose()
    stored[2, 3:6] = (-1, -1, 0)
    points, valid = replace(BOTH, pose_landmarks=5).points(clip_of(), lambda: stored)
    assert points["pose"].shape == (11, 5, 3)
    assert not points["pose"][2, 1].any()
    assert np.argwhere(~valid["pose"]).tolist() == [[2, 1]]
    np.testing.assert_array_equal(points["pose"][0].ravel(), stored[0, :15])


def test_a_pose_of_fewer_points_than_asked_for_has_invalid_ones() -> None:
    inputs = replace(BOTH, pose_landmarks=9)
    points, valid = inputs.points(clip_of(), lambda: pose(points=7))
    assert points["pose"].shape == (11, *inputs.pose_shape)
    assert valid["pose"].sum(axis=0).tolist() == [11] * 7 + [0] * 2
    assert not points["pose"][:, 7:].any()


def test_the_pose_of_signmusketeers_is_made_of_the_keypoints() -> None:
    clip, inputs = clip_of(), replace(BOTH, streams=("pose",), pose="signmusketeers")
    points, valid = inputs.points(clip, no_pose)
    assert points.keys() == {"pose"}
    assert points["pose"].shape == (11, *inputs.pose_shape) == (11, 7, 2)
    assert inputs.pose_dim == 14
    for found, expected in zip(
        (points["pose"], valid["pose"]), signmusketeers_pose(clip), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_values_of_a_pose_that_is_not_read() -> None:
    assert BOTH.pose_dim == 17 * 3
    assert replace(BOTH, streams=("keypoints", "face")).pose_dim == 0
