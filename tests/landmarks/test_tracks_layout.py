"""A layout of a few tracked points: two hands and the nose, nothing else of the signer."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from slt_cli.data.augment import KeypointAugmentation
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import TRACK_LAYOUTS, get_layout
from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, normalise_keypoints
from tests.landmarks.points import Clip

NAME = "hands_and_nose_3"
SIZE = (200, 100)


def tracks(frames: int = 40, seed: int = 0) -> Clip:
    """Nose at (100, 20); hands at rest 50 px below in the first tenth of the frames, then above."""
    rng = np.random.default_rng(seed)
    pixels = np.array([100.0, 20.0]) + rng.uniform(-20, 20, (frames, 3, 2))
    pixels[:, 0] = 100, 20
    pixels[: frames // 10, 1:] = 100, 70
    xy = (pixels / SIZE).astype(np.float32)
    return Clip(np.dstack([xy, np.ones((frames, 3))]), np.ones((frames, 3), bool), SIZE, NAME)


def test_streams_hold_the_points_that_there_are() -> None:
    layout = get_layout(NAME)
    assert NAME in TRACK_LAYOUTS
    named = {stream: [layout.points[i] for i in at] for stream, at in layout.streams.items()}
    assert named == {
        "body": ["POSE.NOSE", "LEFT_HAND.CENTRE", "RIGHT_HAND.CENTRE"],
        "face": [],
        "hand_left": ["POSE.NOSE", "LEFT_HAND.CENTRE"],
        "hand_right": ["POSE.NOSE", "RIGHT_HAND.CENTRE"],
    }
    assert layout.flip == (0, 2, 1)
    assert pickle.loads(pickle.dumps(layout)) is layout


def test_values_by_hand() -> None:
    """The farthest twentieth of the points lies 50 px from the nose: the unit is 0.6 times that."""
    clip = tracks()
    streams = normalise_keypoints(clip)
    assert set(streams) == {"body", "hand_left", "hand_right"}
    pixels = clip.keypoints[..., :2] * SIZE
    expected = (pixels - pixels[0, 0]) / 30
    np.testing.assert_allclose(streams["body"].x[..., :2], expected, atol=1e-5)
    np.testing.assert_allclose(streams["hand_left"].x[..., :2], expected[:, [0, 1]], atol=1e-5)
    np.testing.assert_allclose(streams["hand_right"].x[..., :2], expected[:, [0, 2]], atol=1e-5)


def test_place_and_size_of_the_signer_do_not_matter() -> None:
    clip = tracks(seed=1)
    other = clip.keypoints.copy()
    other[..., :2] = 0.7 * other[..., :2] + [0.1, 0.2]
    for name, stream in normalise_keypoints(clip).items():
        same = normalise_keypoints(Clip(other, clip.valid, SIZE, NAME))[name]
        np.testing.assert_allclose(same.x, stream.x, atol=1e-4)


def test_nothing_seen_is_all_zero() -> None:
    clip = tracks()
    empty = Clip(clip.keypoints * 0, clip.valid & False, SIZE, NAME)
    for kind in (SIGNER, PUBLISHED):
        streams = normalise_keypoints(empty, kind)
        assert not any(stream.valid.any() for stream in streams.values())
    assert not any(stream.x.any() for stream in normalise_keypoints(empty).values())


def test_a_shift_moves_every_point() -> None:
    streams = {name: part.x for name, part in normalise_keypoints(tracks()).items()}
    shift = KeypointAugmentation(
        scale=(1, 1), rotate=(0, 0), translate=(0.5, 0.5), resample=(1, 1)
    ).points(streams, np.random.default_rng(0))
    for name, moved in shift.items():
        np.testing.assert_allclose(moved[..., :2], streams[name][..., :2] + 0.5, atol=1e-6)


def test_unknown_names_are_answered_with_the_near_one() -> None:
    with pytest.raises(InputError, match=NAME):
        get_layout("hands_and_nose_4")
