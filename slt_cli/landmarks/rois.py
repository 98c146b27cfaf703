"""Square crops of face and hands: where they lie, and how they are cut.

The rules follow SignMusketeers (Gueuwou et al., Findings of ACL 2025): the smallest square over the
landmarks, enlarged 1.2 times; without them a place told by the pose; else the crop before. Two
things are added, so that no crop shows mere background. A hand that the pose puts outside the
picture is missing. And the crop before is repeated for a second at most: that bridges the blur of a
fast movement, while somebody unseen for longer is somewhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import cv2
import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import Layout

CROPS = ("face", "hand_l", "hand_r")
"""The crops in the order of every array of boxes."""


class CropSource(IntEnum):
    """Where a crop box comes from; what is missing is a black crop."""

    MISSING = 0
    DETECTED = 1
    POSE = 2
    PREVIOUS = 3


Box = npt.NDArray[np.int32]  # left, top, right, bottom in pixels; right and bottom are exclusive
Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_HEAD = ("NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER", "RIGHT_EYE_INNER", "RIGHT_EYE",
         "RIGHT_EYE_OUTER", "LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT")  # fmt: skip
_KNUCKLES = ("PINKY", "INDEX", "THUMB")
_LARGEST = 4  # in frame sides: a square beyond that comes from landmarks gone astray
_REPEATED_S = 1.0


class CropTracker:
    """Chooses the three crop boxes of each frame of one clip, in order."""

    def __init__(self, layout: Layout, frame_size: tuple[int, int], scale: float) -> None:
        self._size = frame_size
        self._scale = scale
        self._face_points = np.array(layout.component("FACE"), np.int64)
        self._head = _pose_points(layout, _HEAD)
        self._hands = [
            (
                np.array(layout.component(f"{side}_HAND"), np.int64),
                _pose_points(layout, [f"{side}_{name}" for name in _KNUCKLES]),
            )
            for side in ("LEFT", "RIGHT")
        ]
        self._previous: list[Box | None] = [None, None, None]
        self._seen_s = [0.0, 0.0, 0.0]

    def next(
        self, landmarks: FrameLandmarks, time_s: float = 0.0
    ) -> tuple[Box, npt.NDArray[np.uint8]]:
        """Boxes (3, 4) of face, left and right hand, and the `CropSource` of each (3,).

        `time_s` is the time of the frame; a box is repeated for a second after it was last seen.
        """
        boxes = np.zeros((3, 4), np.int32)
        source = np.zeros(3, np.uint8)
        for i in range(len(CROPS)):
            face_side = int(boxes[0, 2] - boxes[0, 0])
            box, kind = (
                self._hand(landmarks, *self._hands[i - 1], face_side)
                if i
                else self._face(landmarks)
            )
            if kind is not CropSource.PREVIOUS:
                self._previous[i], self._seen_s[i] = box, time_s
            elif time_s - self._seen_s[i] > _REPEATED_S:
                self._previous[i] = None
            box = self._previous[i]
            if box is not None:
                boxes[i], source[i] = box, kind
        return boxes, source

    def _face(self, landmarks: FrameLandmarks) -> tuple[Box | None, CropSource]:
        box = self._around(landmarks, self._face_points)
        if box is not None:
            return box, CropSource.DETECTED
        box = self._around(landmarks, self._head)
        return box, CropSource.PREVIOUS if box is None else CropSource.POSE

    def _hand(
        self, landmarks: FrameLandmarks, hand: Indices, knuckles: Indices, side: int
    ) -> tuple[Box | None, CropSource]:
        box = self._around(landmarks, hand)
        if box is not None:
            return box, CropSource.DETECTED
        points = self._pixels(landmarks, knuckles)
        if len(points) < len(_KNUCKLES) or not side:
            return None, CropSource.PREVIOUS
        centre = points.mean(axis=0)
        if (centre < 0).any() or (centre >= self._size).any():
            return None, CropSource.MISSING
        return place_square(centre, side, self._size), CropSource.POSE

    def _pixels(self, landmarks: FrameLandmarks, points: Indices) -> Points:
        seen = points[landmarks.valid[points]]
        pixels: Points = landmarks.points[seen, :2].astype(np.float64) * self._size
        return pixels

    def _around(self, landmarks: FrameLandmarks, points: Indices) -> Box | None:
        return enclosing_square(self._pixels(landmarks, points), self._scale, self._size)


def _pose_points(layout: Layout, names: Sequence[str]) -> Indices:
    """Those of the named points of the pose that the layout has."""
    known = {f"POSE.{name}" for name in names} & set(layout.points)
    return np.array(sorted(layout.index(name) for name in known), np.int64)


def enclosing_square(points: Points, scale: float, frame_size: tuple[int, int]) -> Box | None:
    """The smallest square over points (N, 2) in pixels, enlarged `scale` times, inside the frame.

    None when the points cover no area (fewer than two, or all in one place), lie absurdly wide, or
    all lie beyond one edge of the frame: nothing of what they mean is in the picture.
    """
    if len(points) < 2:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) * scale
    if not 0 < side <= _LARGEST * max(frame_size):
        return None
    if (high < 0).any() or (low >= frame_size).any():
        return None
    return place_square((low + high) / 2, max(1, round(side)), frame_size)


def place_square(centre: Points, side: int, frame_size: tuple[int, int]) -> Box:
    """A square of whole pixels around `centre`, shifted inward at the borders of the frame.

    One that is larger than the frame covers all of it and sticks out.
    """
    start = np.rint(np.asarray(centre) - side / 2)
    room = np.array(frame_size) - side
    start = np.clip(start, np.minimum(room, 0), np.maximum(room, 0))
    box: Box = np.concatenate([start, start + side]).astype(np.int32)
    return box


def cut_on_one_thread() -> None:
    """Let this process cut crops in the thread that asks: they are too small to wake others for."""
    cv2.setNumThreads(1)


def cut_crop(rgb: npt.NDArray[np.uint8], box: Box, size: int) -> npt.NDArray[np.uint8]:
    """The part of `rgb` (H, W, 3) in `box` as (size, size, 3); outside of the picture is black.

    Shrinks by averaging areas and enlarges by cubic interpolation. An empty box gives a black crop.
    """
    crop = np.zeros((size, size, 3), np.uint8)
    height, width = rgb.shape[:2]
    left, top, right, bottom = (int(edge) for edge in box)
    inside = rgb[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if right <= left or bottom <= top or not inside.size:
        return crop
    per_pixel = size / (right - left)
    x0, x1 = (round((edge - left) * per_pixel) for edge in (max(left, 0), min(right, width)))
    y0, y1 = (round((edge - top) * per_pixel) for edge in (max(top, 0), min(bottom, height)))
    if x1 > x0 and y1 > y0:
        method = cv2.INTER_AREA if per_pixel < 1 else cv2.INTER_CUBIC
        crop[y0:y1, x0:x1] = cv2.resize(inside, (x1 - x0, y1 - y0), interpolation=method)
    return crop
