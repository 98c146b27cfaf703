from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.hands import assign_hands
from slt_cli.landmarks.layouts import Layout, get_layout
from slt_cli.landmarks.privacy import _IBUG_FEATURES, _MESH_FEATURES, GRAY, hide_face
from slt_cli.landmarks.rois import CropSource, CropTracker, cut_crop

SIZE = (400, 400)
FACE_BOX, HAND_BOX = (140, 80, 260, 200), (200, 100, 320, 220)
LAYOUTS = {"mediapipe_holistic_543": _MESH_FEATURES, "coco_wholebody_133": _IBUG_FEATURES}
# Places in pixels of the frame: middles of the features, and what must not be seen.
FEATURES = [(175, 120), (225, 120), (200, 165)]
SKIN = [(200, 140), (170, 150), (230, 150), (200, 100), (200, 185), (145, 85)]
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (400, 400, 3), dtype=np.uint8)


def ring(middle: tuple[float, float], rx: float, ry: float, count: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.array(middle) + np.stack([rx * np.cos(angles), ry * np.sin(angles)], axis=1)


def scene(layout: Layout, hand: np.ndarray | None = None, face: bool = True) -> FrameLandmarks:
    """A round face of 100 px around (200, 140) with eyes and mouth; perhaps a left hand."""
    points = np.zeros((len(layout), 3), np.float32)
    valid = np.zeros(len(layout), bool)
    if face:
        indices = np.array(layout.component("FACE"))
        points[indices, :2] = ring((200, 140), 50, 50, len(indices))
        for part, middle in zip(LAYOUTS[layout.name], FEATURES, strict=True):
            points[indices[list(part)], :2] = ring(middle, 10, 5, len(part))
        valid[indices] = True
    if hand is not None:
        points[list(layout.component("LEFT_HAND")), :2] = hand
        valid[list(layout.component("LEFT_HAND"))] = True
    points[:, :2] /= SIZE
    return FrameLandmarks(points * valid[:, None], valid.astype(np.float32), valid)


def spread_hand(wrist: tuple[float, float]) -> np.ndarray:
    """Wrist, then five straight fingers of four joints, a hand of 100 px to the upper left."""
    joints = [np.array(wrist, float)]
    for angle in np.deg2rad([225, 205, 185, 165, 145]):
        joints += [wrist + r * np.array([np.cos(angle), np.sin(angle)]) for r in (50, 70, 85, 100)]
    return np.array(joints)


def hide(
    landmarks: FrameLandmarks, layout: Layout, mode: str, sources: tuple[int, int, int] = (1, 1, 0),
    size: int = 120,
) -> list[np.ndarray]:  # fmt: skip
    boxes = np.array([FACE_BOX, HAND_BOX, (0, 0, 0, 0)], np.int32)
    boxes[np.array(sources) == CropSource.MISSING] = 0
    crops = [cut_crop(PICTURE, box, size) for box in boxes]
    kept = [crop.copy() for crop in crops]
    hidden = hide_face(crops, boxes, np.array(sources), landmarks, layout, SIZE, mode)
    for crop, copy in zip(crops, kept, strict=True):
        np.testing.assert_array_equal(crop, copy)
    return hidden


def seen(crop: np.ndarray, box: tuple[int, ...]) -> np.ndarray:
    """Which pixels (S, S) are as in the picture; the crop has the scale of the picture."""
    left, top, right, bottom = box
    return (crop == PICTURE[top:bottom, left:right]).all(axis=2)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("mode", ["gray", "blur"])
def test_of_the_face_only_eyes_and_mouth_are_left(name: str, mode: str) -> None:
    layout = get_layout(name)
    crop = hide(scene(layout), layout, mode)[0]
    visible = seen(crop, FACE_BOX)
    for x, y in FEATURES:
        assert visible[y - 80 - 5 : y - 80 + 6, x - 140].all()  # the whole height of the ring
    for x, y in SKIN:
        assert not visible[y - 80 - 2 : y - 80 + 3, x - 140 - 2 : x - 140 + 3].any()
    # Three ellipses of 20 x 10 px and 4 px around them: pi * 14 * 9 each.
    assert visible.sum() == pytest.approx(3 * np.pi * 14 * 9, rel=0.15)
    if mode == "gray":
        assert (crop[~visible] == GRAY).all()


@pytest.mark.parametrize("source", [CropSource.POSE, CropSource.PREVIOUS])
def test_a_face_crop_without_detected_face_is_hidden_whole(source: CropSource) -> None:
    layout = get_layout("mediapipe_holistic_543")
    crop = hide(scene(layout, face=False), layout, "gray", (source, 0, 0))[0]
    assert (crop == GRAY).all()


def test_what_is_missing_stays_black() -> None:
    layout = get_layout("mediapipe_holistic_543")
    hidden = hide(scene(layout), layout, "blur", (1, 1, 0))
    assert not hidden[2].any()


@pytest.mark.parametrize("mode", ["gray", "blur"])
def test_a_hand_before_the_face_is_seen_but_not_the_face_between_its_fingers(mode: str) -> None:
    layout = get_layout("mediapipe_holistic_543")
    hand = spread_hand((300, 150))
    crop = hide(scene(layout, hand), layout, mode)[1]
    visible = seen(crop, HAND_BOX)
    for x, y in np.rint(hand).astype(int):
        if x > 205:
            assert visible[y - 100 - 3 : y - 100 + 4, x - 200 - 3 : x - 200 + 4].all()
    gap = (hand[8] + hand[12]) / 2  # between two finger tips, inside the face
    x, y = np.rint(gap).astype(int) - (200, 100)
    assert not visible[y - 2 : y + 3, x - 2 : x + 3].any()
    assert visible[110:, 100:].all()  # away from the face everything stays


def test_a_hand_crop_far_from_the_face_is_left_as_it_is() -> None:
    layout = get_layout("mediapipe_holistic_543")
    box = np.array([FACE_BOX, (20, 280, 120, 380), (0, 0, 0, 0)], np.int32)
    crops = [cut_crop(PICTURE, b, 100) for b in box]
    hidden = hide_face(crops, box, np.array([1, 1, 0]), scene(layout), layout, SIZE, "gray")
    np.testing.assert_array_equal(hidden[1], crops[1])


def test_without_face_landmarks_the_face_box_is_hidden_in_hand_crops() -> None:
    layout = get_layout("mediapipe_holistic_543")
    crop = hide(scene(layout, face=False), layout, "gray", (CropSource.POSE, 2, 0))[1]
    visible = seen(crop, HAND_BOX)
    assert (crop[:100, :60] == GRAY).all()  # the overlap of both boxes
    assert visible[:, 90:].all()


def test_a_few_points_of_a_face_do_not_stand_for_all_of_it() -> None:
    layout = get_layout("mediapipe_holistic_543")
    whole = scene(layout)
    valid = whole.valid.copy()
    valid[list(layout.component("FACE"))[2:]] = False
    few = FrameLandmarks(whole.points * valid[:, None], valid.astype(np.float32), valid)
    crop = hide(few, layout, "gray", (CropSource.DETECTED, 2, 0))[1]
    assert (crop[:100, :60] == GRAY).all()


@pytest.mark.parametrize("mode", ["gray", "blur"])
def test_where_the_face_is_unknown_only_hands_are_seen(mode: str) -> None:
    layout = get_layout("mediapipe_holistic_543")
    hand = ring((260, 160), 20, 20, 21)
    crop = hide(scene(layout, hand, face=False), layout, mode, (0, 1, 0))[1]
    visible = seen(crop, HAND_BOX)
    assert visible[60, 60]
    assert not visible[:20].any()
    assert not visible[:, 100:].any()
    assert crop[:20].std() < 12  # random pixels have 74, blocks of 15 x 15 of them 5


def test_a_blur_keeps_nothing_finer_than_its_blocks() -> None:
    """Pixels exchanged within the blocks: the blurred picture is the same to the last bit.

    The face of 100 px in a crop of 120 px leaves round(8 / (100 / 120)) = 10 blocks of 12 px.
    """
    layout = get_layout("mediapipe_holistic_543")
    landmarks = scene(layout)
    boxes = np.array([FACE_BOX, (0, 0, 0, 0), (0, 0, 0, 0)], np.int32)
    crop = cut_crop(PICTURE, boxes[0], 120)
    mixed = crop.reshape(10, 12, 10, 12, 3).transpose(0, 2, 1, 3, 4).reshape(100, 144, 3)
    mixed = RNG.permuted(mixed.reshape(100, 144, 3), axis=1)
    mixed = mixed.reshape(10, 10, 12, 12, 3).transpose(0, 2, 1, 3, 4).reshape(120, 120, 3)
    black = np.zeros_like(crop)
    hidden = [
        hide_face([c, black, black], boxes, np.array([1, 0, 0]), landmarks, layout, SIZE, "blur")[0]
        for c in (crop, np.ascontiguousarray(mixed))
    ]
    assert not np.array_equal(crop, mixed)
    covered = ~(hidden[0] == crop).all(axis=2)
    assert covered.mean() > 0.85
    away = np.ones((120, 120), bool)
    for x, y in FEATURES:
        away[y - 80 - 12 : y - 80 + 13, x - 140 - 18 : x - 140 + 19] = False
    np.testing.assert_array_equal(hidden[0][away], hidden[1][away])


@given(st.integers(0, 2**32 - 1), st.sampled_from(["gray", "blur"]), st.sampled_from([32, 224]))
@settings(max_examples=40, deadline=None)
def test_any_landmarks_and_boxes_are_taken(seed: int, mode: str, size: int) -> None:
    rng = np.random.default_rng(seed)
    layout = get_layout(str(rng.choice(list(LAYOUTS))))
    valid = rng.random(len(layout)) < rng.random()
    points = rng.normal(0.5, 10 ** rng.uniform(-3, 1), (len(layout), 3)).astype(np.float32)
    landmarks = FrameLandmarks(points * valid[:, None], valid.astype(np.float32), valid)
    boxes, sources = CropTracker(layout, SIZE, 1.2).next(landmarks)
    crops = [cut_crop(PICTURE, box, size) for box in boxes]
    for crop in hide_face(crops, boxes, sources, landmarks, layout, SIZE, mode):
        assert (crop.shape, crop.dtype) == ((size, size, 3), np.uint8)


@pytest.mark.real
def test_real_faces_lose_all_but_eyes_and_mouth(real_data: Path) -> None:
    """Eyes, nose and mouth are told by the pose, another network than the face mesh."""
    layout = get_layout("mediapipe_holistic_543")
    estimator = create_estimator("mediapipe", real_data)
    video = real_data / "clips" / "Zug2.mp4"
    with av.open(str(video)) as container:
        rgb = [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), 6)][-1]
    size = (rgb.shape[1], rgb.shape[0])
    landmarks, _ = assign_hands(estimator.process(rgb, 0.0), layout, size)
    estimator.close()
    boxes, sources = CropTracker(layout, size, 1.2).next(landmarks)
    crops = [cut_crop(rgb, box, 224) for box in boxes]
    hidden = hide_face(crops, boxes, sources, landmarks, layout, size, "gray")[0]
    visible = (hidden == crops[0]).all(axis=2)
    assert sources[0] == CropSource.DETECTED
    assert 0.03 < visible.mean() < 0.12

    def at(name: str) -> tuple[int, int]:
        place = landmarks.points[layout.index(f"POSE.{name}"), :2] * size
        x, y = (place - boxes[0, :2]) * 224 / (boxes[0, 2] - boxes[0, 0])
        return round(float(y)), round(float(x))

    for name in ("LEFT_EYE", "RIGHT_EYE"):
        assert visible[at(name)], name
    (y0, x0), (y1, x1) = at("MOUTH_LEFT"), at("MOUTH_RIGHT")
    assert visible[(y0 + y1) // 2, (x0 + x1) // 2]
    y, x = at("NOSE")
    assert not visible[y - 10 : y + 5, x - 5 : x + 6].any()
