from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.signer import body_region, find_signer, from_region, gather_people
from tests.landmarks.estimators.cases import read_clip

SIZE = (1000, 500)
PICTURES = [np.zeros((500, 1000, 3), np.uint8)] * 6
LEFT, RIGHT, SPURIOUS = (200, 100, 250, 150), (700, 90, 760, 150), (480, 400, 500, 420)
Faces = list[tuple[int, int, int, int]]


def see(monkeypatch: pytest.MonkeyPatch, pictures: list[Faces]) -> None:
    """Let the face finder find these faces, picture by picture."""
    waiting = list(pictures)

    class Finder:
        def face_boxes(self, rgb: np.ndarray) -> np.ndarray:
            return np.array(waiting.pop(0), np.int32).reshape(-1, 4)

        def close(self) -> None:
            pass

    monkeypatch.setattr("slt_cli.landmarks.signer.FaceFinder", Finder)


def moved(face: tuple[int, int, int, int], x: int) -> tuple[int, int, int, int]:
    return (face[0] + x, face[1], face[2] + x, face[3])


def test_auto_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slt_cli.landmarks.signer.FaceFinder", None)
    assert find_signer("auto", PICTURES) is None
    assert find_signer("largest", []) is None


@pytest.mark.parametrize(("rule", "face"), [("left", LEFT), ("right", RIGHT), ("largest", RIGHT)])
def test_the_chosen_person_is_in_the_region_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, rule: str, face: tuple[int, int, int, int]
) -> None:
    """Faces jitter, one frame misses somebody, and one sees a face in the background."""
    pictures: list[Faces] = [
        [moved(RIGHT, 3 * i), moved(LEFT, -2 * i)][:: (-1) ** i] for i in range(6)
    ]
    pictures[2] = [RIGHT]
    pictures[4].append(SPURIOUS)
    see(monkeypatch, pictures)
    box = find_signer(rule, PICTURES)
    assert box is not None
    left, top, right, bottom = box
    assert left <= face[0] - 15
    assert face[2] + 15 <= right
    assert (top, bottom) == (max(0, face[1] - 90) if face is RIGHT else 25, 500)
    (other,) = {LEFT, RIGHT} - {face}
    assert right < other[0] or left > other[2]


def test_regions_of_neighbours_meet_half_way() -> None:
    faces = [np.array(f, float) for f in (LEFT, RIGHT)]
    left, right = body_region(faces[0], faces[1:], SIZE), body_region(faces[1], faces[:1], SIZE)
    # 4 widths of 50 px around 225 reach 425; half-way between 250 and 700 is 475.
    np.testing.assert_array_equal(left, [25, 25, 425, 500])
    # 4 widths of 60 px around 730 reach 490; half-way is 475.
    np.testing.assert_array_equal(right, [490, 0, 970, 500])
    near = np.array([300.0, 100, 350, 150])
    assert body_region(faces[0], [near], SIZE)[2] == 275
    assert body_region(near, faces[:1], SIZE)[0] == 275


def test_somebody_above_is_cut_off_above() -> None:
    face, above = np.array([400.0, 300, 450, 350]), np.array([410.0, 180, 460, 230])
    np.testing.assert_array_equal(body_region(face, [above], SIZE), [225, 265, 625, 500])
    assert body_region(above, [face], SIZE)[3] == 265


@pytest.mark.parametrize("seen", [[], [LEFT]])
def test_one_person_or_none_is_the_whole_picture(
    monkeypatch: pytest.MonkeyPatch, seen: Faces
) -> None:
    see(monkeypatch, [seen] * 5 + [[*seen, SPURIOUS]])
    assert find_signer("left", PICTURES) is None


def test_two_faces_of_one_picture_are_two_people() -> None:
    near = (LEFT, moved(LEFT, 30))
    people = gather_people([np.array(near, np.int32)] * 3)
    np.testing.assert_array_equal(people, near)


def test_a_slow_walk_is_one_person_and_a_jump_is_another() -> None:
    walk = [np.array([moved(LEFT, 40 * i)], np.int32) for i in range(6)]
    assert len(gather_people(walk)) == 1
    jump = [np.array([moved(LEFT, 300 * (i // 3))], np.int32) for i in range(6)]
    assert len(gather_people(jump)) == 2


def test_a_face_of_another_size_is_another_person() -> None:
    big = (150, 50, 300, 200)
    pictures = [np.array([big if i % 2 else LEFT], np.int32) for i in range(6)]
    assert len(gather_people(pictures)) == 2


def test_a_given_box_is_cut_to_the_picture() -> None:
    np.testing.assert_array_equal(find_signer("10,20,100,80.4", PICTURES), [10, 20, 110, 100])
    np.testing.assert_array_equal(find_signer("900,450,400,400", PICTURES), [900, 450, 1000, 500])


@pytest.mark.parametrize("rule", ["1000,0,10,10", "0,600,10,10", "10,10,0,5", "10,10,5,0.2"])
def test_a_box_outside_the_picture_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="1000 x 500") as caught:
        find_signer(rule, PICTURES)
    assert rule in caught.value.message


face_boxes = st.tuples(
    st.integers(-40, 990), st.integers(-40, 490), st.integers(50, 400)
).map(lambda f: np.array([f[0], f[1], f[0] + f[2], f[1] + f[2]], float))  # fmt: skip


@given(face_boxes, st.lists(face_boxes, max_size=4))
def test_regions_lie_in_the_frame_and_hold_the_face(
    face: np.ndarray, others: list[np.ndarray]
) -> None:
    box = body_region(face, others, SIZE)
    assert (box[:2] >= 0).all()
    assert (box[2:] <= SIZE).all()
    assert (box[2:] > box[:2]).all()
    inside = np.clip(face, 0, [*SIZE, *SIZE])
    assert (box[:2] <= inside[:2]).all()
    assert (box[2:] >= inside[2:]).all()


def test_landmarks_of_a_region_are_those_of_the_whole() -> None:
    points = np.array([[0.5, 0.5, 0.2], [0, 1, -0.1], [0, 0, 0]], np.float32)
    found = FrameLandmarks(points, np.ones(3, np.float32), np.array([True, True, False]), 2)
    moved_ = from_region(found, np.array([200, 100, 600, 300]), SIZE)
    np.testing.assert_allclose(moved_.points, [[0.4, 0.4, 0.08], [0.2, 0.6, -0.04], [0, 0, 0]])
    assert moved_.points.dtype == np.float32
    assert moved_.unusable == 2
    np.testing.assert_array_equal(found.points, points)


@pytest.mark.real
def test_the_right_one_of_two_real_people_is_tracked_as_if_alone(real_data: Path) -> None:
    names = ("asl_different.mp4", "asl_house.mp4")
    clips = [[rgb for rgb, _ in read_clip(real_data / "clips" / n, 15, 10)] for n in names]
    pairs = [np.hstack(pair) for pair in zip(*clips, strict=True)]
    size = (640, 240)
    layout = get_layout("mediapipe_holistic_543")
    assert find_signer("largest", [p[:, :320] for p in pairs[::4]]) is None
    regions = [find_signer(rule, pairs[::4]) for rule in ("left", "right", "largest")]
    np.testing.assert_array_equal(regions[1], regions[2])
    for number, region in enumerate(regions[:2]):
        assert region is not None
        left, top, right, bottom = region
        parts = [np.ascontiguousarray(p[top:bottom, left:right]) for p in pairs]
        alone, part = (
            create_estimator("mediapipe", real_data),
            create_estimator("mediapipe", real_data),
        )
        off: dict[str, list[float]] = {}
        for picture, cut in zip(clips[number], parts, strict=True):
            one = alone.process(picture, 0)
            two = from_region(part.process(cut, 0), region, size)
            one_px = one.points[:, :2] * (320, 240) + (320 * number, 0)
            apart = np.linalg.norm(two.points[:, :2] * size - one_px, axis=1)
            for component in ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND"):
                here = list(layout.component(component))[: 17 if component == "POSE" else None]
                if one.valid[here].all() and two.valid[here].all():
                    off.setdefault(component, []).extend(apart[here])
            assert (one.valid & two.valid)[list(layout.component("FACE"))].all()
        alone.close()
        part.close()
        assert off.keys() == {"POSE", "FACE", "LEFT_HAND", "RIGHT_HAND"}
        assert max(float(np.median(distances)) for distances in off.values()) < 4, off
