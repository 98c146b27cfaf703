from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.hands import assign_hands
from tests.landmarks.points import BODY, LAYOUT, frame, hand

SIZE = (640, 480)
AT_LEFT, AT_RIGHT = (0.69, 0.71), (0.31, 0.69)


def wrist(landmarks: FrameLandmarks, side: str) -> tuple[float, float] | None:
    at = LAYOUT.index(f"{side}_HAND.WRIST")
    if not landmarks.valid[at]:
        return None
    x, y = landmarks.points[at, :2]
    return pytest.approx((float(x), float(y)))


def test_right_labels_are_kept() -> None:
    before = frame({**BODY, **hand("LEFT", AT_LEFT), **hand("RIGHT", AT_RIGHT)})
    after, action = assign_hands(before, LAYOUT, SIZE)
    assert action == "kept"
    assert after is before


def test_exchanged_labels_are_swapped() -> None:
    before = frame({**BODY, **hand("LEFT", AT_RIGHT), **hand("RIGHT", AT_LEFT)})
    after, action = assign_hands(before, LAYOUT, SIZE)
    assert action == "swapped"
    assert wrist(after, "LEFT") == AT_LEFT
    assert wrist(after, "RIGHT") == AT_RIGHT


def test_single_hand_moves_to_the_wrist_it_hangs_on() -> None:
    after, action = assign_hands(frame({**BODY, **hand("LEFT", AT_RIGHT)}), LAYOUT, SIZE)
    assert action == "moved"
    assert wrist(after, "LEFT") is None
    assert wrist(after, "RIGHT") == AT_RIGHT


@pytest.mark.parametrize(("near", "further"), [("LEFT", "RIGHT"), ("RIGHT", "LEFT")])
def test_second_sighting_of_one_hand_is_dropped(near: str, further: str) -> None:
    """Both hang on the right wrist and no hand reaches from the left one: the nearer is real."""
    points = {**BODY, **hand(near, (0.301, 0.7)), **hand(further, (0.33, 0.72))}
    after, action = assign_hands(frame(points), LAYOUT, SIZE)
    assert action == "dropped"
    assert wrist(after, "RIGHT") == (0.301, 0.7)
    assert wrist(after, "LEFT") is None
    assert not after.points[list(LAYOUT.component("LEFT_HAND"))].any()


def test_touching_hands_keep_their_labels() -> None:
    """Both wrists in one place: whoever is a hair nearer must not make the labels flicker."""
    body = BODY | {"POSE.LEFT_WRIST": (0.5, 0.7), "POSE.RIGHT_WRIST": (0.505, 0.7)}
    points = {**body, **hand("LEFT", (0.506, 0.7)), **hand("RIGHT", (0.499, 0.7))}
    assert assign_hands(frame(points), LAYOUT, SIZE)[1] == "kept"


def test_distances_are_in_pixels() -> None:
    """In the wide picture the hand is 30 px from one wrist and 80 px from its own."""
    body = {
        "POSE.LEFT_SHOULDER": (0.55, 0.2), "POSE.RIGHT_SHOULDER": (0.45, 0.2),
        "POSE.LEFT_WRIST": (0.5, 0.5), "POSE.RIGHT_WRIST": (0.58, 0.8),
    }  # fmt: skip
    points = frame({**body, **hand("RIGHT", (0.5, 0.8), size=0.01)})
    assert assign_hands(points, LAYOUT, (1000, 100))[1] == "moved"
    assert assign_hands(points, LAYOUT, (100, 1000))[1] == "kept"


@pytest.mark.parametrize("lost", ["POSE.LEFT_WRIST", "POSE.RIGHT_SHOULDER"])
def test_without_the_pose_labels_are_kept(lost: str) -> None:
    points = {**BODY, **hand("LEFT", AT_RIGHT), **hand("RIGHT", AT_LEFT)}
    del points[lost]
    assert assign_hands(frame(points), LAYOUT, SIZE)[1] == "kept"


places = st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95))


@given(places, places)
def test_assignment_is_final_and_invents_nothing(
    left: tuple[float, float], right: tuple[float, float]
) -> None:
    before = frame({**BODY, **hand("LEFT", left), **hand("RIGHT", right)})
    once, action = assign_hands(before, LAYOUT, SIZE)
    again, nothing = assign_hands(once, LAYOUT, SIZE)
    assert nothing == "kept"
    assert once.valid.sum() == before.valid.sum() - 21 * (action == "dropped")
    rows = {tuple(p) for p in before.points}
    assert {tuple(p) for p in once.points} <= rows
    body = list(LAYOUT.component("POSE"))
    np.testing.assert_array_equal(again.points[body], before.points[body])


@given(st.integers(0, 2**32))
def test_a_mirrored_signer_has_the_other_hands(seed: int) -> None:
    """Mirroring the picture and all names at once changes nothing about what is done."""
    left, right = np.random.default_rng(seed).uniform(0.2, 0.8, (2, 2))
    before = frame({**BODY, **hand("LEFT", left), **hand("RIGHT", right)})
    flip = np.array(LAYOUT.flip)
    turned = before.points[flip] * [-1, 1, 1] + [1, 0, 0]
    mirrored = FrameLandmarks(
        turned.astype(np.float32), before.confidence[flip], before.valid[flip]
    )
    assert assign_hands(before, LAYOUT, SIZE)[1] == assign_hands(mirrored, LAYOUT, SIZE)[1]


@pytest.mark.parametrize("points", [
    {**BODY, **hand("LEFT", AT_RIGHT), **hand("RIGHT", AT_LEFT)},
    {**BODY, **hand("LEFT", (0.301, 0.7)), **hand("RIGHT", (0.33, 0.72))},
])  # fmt: skip
def test_the_count_of_unusable_points_is_kept(points: dict[str, tuple[float, float]]) -> None:
    after, action = assign_hands(replace(frame(points), unusable=3), LAYOUT, SIZE)
    assert action in ("swapped", "dropped")
    assert after.unusable == 3
