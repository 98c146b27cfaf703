from __future__ import annotations

import numpy as np
import pytest

from slt_cli.synthetic.hands import hand_axes, skeleton
from slt_cli.synthetic.lexicon import SIGNS
from slt_cli.synthetic.phonology import HANDSHAPES, Hand, Movement, minimum_jerk

FRONT = (np.array([[0.0, -1, 0]]), np.array([[0.0, 0, -1]]))  # fingers up, palm to the camera


def hand(shape: str) -> np.ndarray:
    return skeleton(HANDSHAPES[shape].vector()[None], hand_axes(*FRONT))[0]


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    s = np.linspace(0, 1, 1001)
    x = minimum_jerk(s)
    assert x[[0, 500, 1000]] == pytest.approx([0, 0.5, 1])
    assert (np.diff(x) >= 0).all()
    speed = np.gradient(x, s)
    assert speed[0] == pytest.approx(0, abs=1e-4)
    assert speed.max() == pytest.approx(1.875, abs=1e-3)  # 15/8, at the middle


def test_right_hand_shows_its_thumb_to_the_right_when_the_palm_faces_the_camera() -> None:
    joints = hand("open")
    assert joints[4, 0] > 0.3
    assert joints[20, 0] < joints[16, 0] < joints[12, 0] < joints[8, 0] < joints[4, 0]
    assert (joints[[8, 12, 16, 20], 1] < -0.7).all()


def test_handshapes_bend_the_fingers_they_name() -> None:
    def extension(shape: str) -> list[float]:
        joints = hand(shape)
        return [float(np.linalg.norm(joints[tip] - joints[tip - 3])) for tip in (8, 12, 16, 20)]

    straight = extension("flat")
    assert extension("index")[0] == pytest.approx(straight[0], rel=0.02)
    for shape, bent in (("index", (1, 2, 3)), ("V", (2, 3)), ("Y", (0, 1, 2)), ("fist", range(4))):
        assert all(extension(shape)[finger] < 0.6 * straight[finger] for finger in bent)


def test_bones_keep_their_length_in_every_shape() -> None:
    def bones(shape: str) -> np.ndarray:
        joints = hand(shape)
        chains = [range(first, first + 3) for first in (1, 5, 9, 13, 17)]
        return np.array([np.linalg.norm(joints[i + 1] - joints[i]) for c in chains for i in c])

    for shape in HANDSHAPES:
        np.testing.assert_allclose(bones(shape), bones("flat"), atol=1e-12)


def test_thumb_and_index_meet_in_a_pinch() -> None:
    open_gap, pinch_gap = (np.linalg.norm(hand(s)[4] - hand(s)[8]) for s in ("open", "pinch"))
    assert pinch_gap < 0.4 * open_gap


def test_straight_path_covers_its_size() -> None:
    path = Movement("straight", (0.0, 1.0, 0.0), 0.4).path(np.array([0.0, 1.0]))
    np.testing.assert_allclose(path, [[0, -0.2, 0], [0, 0.2, 0]])


def test_tap_touches_its_location_twice() -> None:
    path = Movement("tap", (0.0, 0.0, 1.0), 0.2).path(np.linspace(0, 1, 401))
    touches = np.flatnonzero(np.isclose(path[:, 2], 0, atol=1e-9))
    assert touches.tolist() == [100, 300]
    assert path[:, 2].min() == pytest.approx(-0.2)


def test_signs_are_built_from_many_parameters() -> None:
    hands = [sign.hand for sign in SIGNS.values()]
    assert len(SIGNS) >= 34
    assert len({h.shape for h in hands}) >= 8
    assert len({h.location for h in hands}) >= 8
    assert len({h.movement.kind for h in hands}) >= 5
    others = [sign.other for sign in SIGNS.values()]
    assert None in others
    assert "mirror" in others
    assert any(isinstance(other, Hand) for other in others)
    assert len({(s.hand, s.other) for s in SIGNS.values()}) == len(SIGNS)
