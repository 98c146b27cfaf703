from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.rois import (
    CropSource,
    CropTracker,
    cut_crop,
    enclosing_square,
    place_square,
)
from tests.landmarks.points import BODY, LAYOUT, frame, hand

SIZE = (1000, 500)
FACE = {f"FACE.{i}": (0.45 + 0.1 * (i % 2), 0.1 + 0.2 * (i % 3) / 2) for i in range(468)}
KNUCKLES = {f"POSE.LEFT_{n}": (0.7, 0.8) for n in ("PINKY", "INDEX", "THUMB")}


def follow(*frames: dict[str, tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    tracker = CropTracker(LAYOUT, SIZE, 1.2)
    made = [tracker.next(frame(points)) for points in frames]
    return np.stack([boxes for boxes, _ in made]), np.stack([source for _, source in made])


def test_detected_boxes_by_hand() -> None:
    """The face spans 100 x 100 px around (500, 100), the hand 100 x 50 px around (750, 375)."""
    boxes, source = follow({**FACE, **hand("LEFT", (0.7, 0.7), size=0.1)})
    np.testing.assert_array_equal(boxes[0, 0], [440, 40, 560, 160])
    np.testing.assert_array_equal(boxes[0, 1], [690, 315, 810, 435])
    np.testing.assert_array_equal(source[0], [CropSource.DETECTED, CropSource.DETECTED, 0])


def test_hand_from_the_pose_has_the_side_of_the_face() -> None:
    boxes, source = follow({**FACE, **KNUCKLES})
    np.testing.assert_array_equal(boxes[0, 1], [640, 340, 760, 460])
    assert source[0, 1] == CropSource.POSE


def test_face_from_the_pose_encloses_the_head() -> None:
    head = {"POSE.NOSE": (0.5, 0.2), "POSE.LEFT_EAR": (0.55, 0.2), "POSE.RIGHT_EAR": (0.45, 0.2)}
    boxes, source = follow(head)
    np.testing.assert_array_equal(boxes[0, 0], [440, 40, 560, 160])
    assert source[0, 0] == CropSource.POSE


def test_previous_box_is_used_when_the_signer_is_lost() -> None:
    boxes, source = follow({}, {**FACE, **hand("RIGHT", (0.2, 0.5))}, {}, {})
    np.testing.assert_array_equal(source[:, 0], [0, 1, 3, 3])
    np.testing.assert_array_equal(source[:, 2], [0, 1, 3, 3])
    np.testing.assert_array_equal(boxes[3], boxes[1])
    assert not boxes[0].any()


def test_hand_outside_the_picture_is_missing_not_previous() -> None:
    outside = {name: (x, 1.3) for name, (x, _) in KNUCKLES.items()}
    _, source = follow({**FACE, **KNUCKLES}, {**FACE, **outside}, FACE)
    np.testing.assert_array_equal(source[:, 1], [CropSource.POSE, 0, 0])


def test_a_box_is_repeated_for_a_second_and_not_longer() -> None:
    """At 4 frames a second: seen, lost for 5 frames, seen again, lost again."""
    tracker = CropTracker(LAYOUT, SIZE, 1.2)
    everything = {**FACE, **hand("RIGHT", (0.2, 0.5))}
    shown = [everything, {}, {}, {}, {}, {}, everything, {}]
    made = [tracker.next(frame(points), 10 + i / 4) for i, points in enumerate(shown)]
    expected = [1, 3, 3, 3, 3, 0, 1, 3]
    for stream in (0, 2):
        assert [int(source[stream]) for _, source in made] == expected
    assert not made[5][0].any()


def test_what_was_lost_for_long_does_not_come_back_by_itself() -> None:
    tracker = CropTracker(LAYOUT, SIZE, 1.2)
    times = (0.0, 5.0, 5.1)
    made = [tracker.next(frame(p), t) for p, t in zip((FACE, {}, {}), times, strict=True)]
    assert [int(source[0]) for _, source in made] == [1, 0, 0]


def test_a_hand_detected_wholly_outside_the_picture_is_missing() -> None:
    """Its square would be pushed to the border and show what is not the hand."""
    outside = {name: (x, 1.3) for name, (x, _) in KNUCKLES.items()}
    for wrist in ((0.5, 1.05), (1.2, 0.5), (-0.3, 0.5), (0.5, -0.2)):
        _, source = follow({**FACE, **hand("LEFT", wrist, size=0.1), **outside})
        assert source[0, 1] == CropSource.MISSING, wrist
    boxes, source = follow({**FACE, **hand("LEFT", (0.5, 0.95), size=0.1)})
    assert source[0, 1] == CropSource.DETECTED
    assert boxes[0, 1, 3] == SIZE[1]


coordinates = st.one_of(st.floats(-0.5, 1.5), st.floats(-10, 10))


@given(st.data())
def test_boxes_are_square_and_inside_when_they_fit_whatever_is_seen(data: st.DataObject) -> None:
    """Random points of the whole layout, random ones of them missing, in frames of any size."""
    size = (data.draw(st.integers(1, 2000)), data.draw(st.integers(1, 2000)))
    tracker = CropTracker(LAYOUT, size, data.draw(st.floats(1, 4)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    seen_before = False
    for number in range(3):
        names = ("x", "y", "spread", "seen")
        x, y, spread, seen = (
            data.draw(coordinates if name in "xy" else st.floats(0, 1), label=name)
            for name in names
        )
        points = rng.normal((x, y, 0), spread, (len(LAYOUT), 3)).astype(np.float32)
        valid = rng.random(len(LAYOUT)) < seen
        landmarks = FrameLandmarks(points * valid[:, None], valid.astype(np.float32), valid)
        boxes, source = tracker.next(landmarks, number / 25)
        for box, kind in zip(boxes.tolist(), source, strict=True):
            left, top, right, bottom = box
            side = right - left
            assert side == bottom - top
            assert (side == 0) == (kind == CropSource.MISSING)
            if side and side <= min(size):
                assert 0 <= left < right <= size[0]
                assert 0 <= top < bottom <= size[1]
            assert cut_crop(np.zeros((size[1], size[0], 3), np.uint8), np.array(box), 8).any() == 0
        assert seen_before or CropSource.PREVIOUS not in source
        seen_before = True


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), np.array([[5.0, 5.0]]), np.full((21, 2), 7.0),
               np.array([[0.0, 0.0], [1e6, 1e6]])],
)  # fmt: skip
def test_points_without_area_or_gone_astray_give_no_box(points: np.ndarray) -> None:
    assert enclosing_square(points, 1.2, SIZE) is None


@given(
    st.floats(-3000, 3000), st.floats(-3000, 3000), st.integers(1, 3000), st.integers(1, 2000),
    st.integers(1, 2000),
)  # fmt: skip
def test_squares_stay_square_and_inside_or_cover_the_frame(
    x: float, y: float, side: int, width: int, height: int
) -> None:
    left, top, right, bottom = place_square((x, y), side, (width, height))
    assert right - left == bottom - top == side
    for low, high, room in ((left, right, width), (top, bottom, height)):
        if side <= room:
            assert 0 <= low < high <= room
        else:
            assert low <= 0 < room <= high


@given(st.integers(0, 2**32))
def test_square_encloses_its_points_when_there_is_room(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.3, 0.7, (int(rng.integers(2, 30)), 2)) * 400
    box = enclosing_square(points, 1.2, (400, 400))
    assert box is not None
    assert (points >= box[:2] - 1).all()
    assert (points <= box[2:] + 1).all()
    assert box[2] - box[0] == round(1.2 * np.ptp(points, axis=0).max())


def test_crop_of_its_own_size_is_a_copy() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    crop = cut_crop(rgb, np.array([10, 5, 42, 37]), 32)
    np.testing.assert_array_equal(crop, rgb[5:37, 10:42])


def test_shrinking_averages_areas() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    means = rgb.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(cut_crop(rgb, np.array([0, 0, 64, 64]), 16) - means).max() <= 1


def test_what_lies_outside_is_black_and_nothing_is_stretched() -> None:
    """A frame half as high as the box fills the middle half of the crop."""
    rgb = np.full((50, 100, 3), 200, np.uint8)
    crop = cut_crop(rgb, place_square((50, 25), 100, (100, 50)), 40)
    assert (crop.any(axis=2).any(axis=1)).sum() == 20
    assert crop.any(axis=2).any(axis=0).sum() == 40


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 0), (5, 5, 5, 9), (200, 200, 300, 300), (-90, -90, -10, -10)]
)
def test_empty_and_foreign_boxes_are_black(box: tuple[int, int, int, int]) -> None:
    crop = cut_crop(np.full((50, 50, 3), 200, np.uint8), np.array(box), 16)
    assert crop.shape == (16, 16, 3)
    assert not crop.any()


def test_body_alone_gives_no_hand_box() -> None:
    _, source = follow(BODY)
    np.testing.assert_array_equal(source[0, 1:], [0, 0])
