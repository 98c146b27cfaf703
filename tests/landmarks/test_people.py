from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.people import FaceFinder, PeopleCounter, _distinct, _windows
from tests.landmarks.estimators.cases import read_clip

SMALL = np.zeros((2, 2, 3), np.uint8)


class FakeFinder:
    """Says what it was told to, and remembers how often it was asked."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.asked = 0

    def face_boxes(self, rgb: np.ndarray) -> np.ndarray:
        self.asked += 1
        return np.zeros((self.numbers[self.asked - 1], 4), np.int32)

    def close(self) -> None:
        pass


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> PeopleCounter:
    fake = FakeFinder([1, 2, 2, 3, 1, 2])
    monkeypatch.setattr("slt_cli.landmarks.people.FaceFinder", lambda: fake)
    return PeopleCounter()


def test_it_looks_once_a_second_of_video(counter: PeopleCounter) -> None:
    for frame in range(50):
        counter.look(SMALL, 3.0 + frame / 20)
    assert counter.counts == [1, 2, 2]
    counter.look(SMALL, 90.0)  # a gap is one second late, not many
    counter.look(SMALL, 90.5)
    assert counter.counts == [1, 2, 2, 3]


def test_the_most_and_the_usual_number(counter: PeopleCounter) -> None:
    assert (counter.most, counter.usual) == (0, 0)
    for second in range(6):
        counter.look(SMALL, float(second))
    assert (counter.most, counter.usual) == (3, 2)


def test_of_two_numbers_as_frequent_the_smaller_is_usual(counter: PeopleCounter) -> None:
    for second in range(2):
        counter.look(SMALL, float(second))
    assert (counter.most, counter.usual) == (2, 1)


@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (480, 640), (500, 480), (3, 1)])
def test_windows_reach_both_ends_and_stay_inside(size: tuple[int, int]) -> None:
    windows = _windows(*size)
    assert windows[0] == (0, 0, *size)
    for left, top, right, bottom in windows[1:]:
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert right - left == bottom - top == min(size)
    assert len(windows) == (3 if max(size) > 1.5 * min(size) else 1)
    assert windows[-1][2:] == size


def test_repetitions_of_a_face_are_left_out() -> None:
    boxes = [np.array(b, float) for b in ((0, 0, 10, 10), (2, 1, 11, 11), (8, 8, 18, 18))]
    np.testing.assert_array_equal(_distinct(boxes), [[0, 0, 10, 10], [8, 8, 18, 18]])
    assert _distinct([]).shape == (0, 4)


def test_without_the_detector_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = ModuleType("mediapipe")
    newer.__version__ = "0.10.30"
    monkeypatch.setitem(sys.modules, "mediapipe", newer)
    with pytest.raises(MissingAsset, match="no longer carries the face detector"):
        FaceFinder()


@pytest.mark.real
def test_real_faces_are_counted_and_found(real_data: Path) -> None:
    """Eyes and chin, told by another network, lie in the boxes; a blank picture has no face."""
    clips = [read_clip(real_data / "clips" / n, 20, 1)[0][0] for n in ("Zug.mp4", "Zug2.mp4")]
    pair = np.hstack(clips)
    counter = PeopleCounter()
    for second, picture in enumerate((clips[0], clips[1], pair, np.zeros_like(pair))):
        counter.look(picture, float(second))
    assert counter.counts == [1, 1, 2, 0]
    counter.close()
    counter.close()
    finder = FaceFinder()
    boxes = finder.face_boxes(pair)
    np.testing.assert_array_equal(finder.face_boxes(pair), boxes)
    finder.close()
    assert (boxes.dtype, boxes.shape) == (np.int32, (2, 4))
    import mediapipe

    with mediapipe.solutions.holistic.Holistic(static_image_mode=True) as holistic:
        for number, clip in enumerate(clips):
            pose = holistic.process(clip).pose_landmarks.landmark
            height, width = clip.shape[:2]
            eyes = [(pose[i].x * width + number * 640, pose[i].y * height) for i in (2, 5)]
            (box,) = [b for b in boxes if (b[0] > 640) == bool(number)]
            for x, y in eyes:
                assert box[0] < x < box[2]
                assert box[1] < y < box[3]


def test_pictures_of_any_shape_are_searched() -> None:
    finder = FaceFinder()
    for height, width in ((1, 1), (3, 900), (900, 2), (7, 5)):
        assert finder.face_boxes(np.full((height, width, 3), 90, np.uint8)).shape == (0, 4)
    finder.close()
