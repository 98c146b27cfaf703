"""Faces in whole pictures: how many people a video shows, and where they are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.estimators.mediapipe import INSTALL, load_mediapipe

Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.int32]

_SURE = 0.5
_FULL_RANGE = 1  # MediaPipe's number of the model for faces up to 5 m away
_WIDE = 1.5  # of the short side: from here on the squares at both ends are searched, too
_SAME = 0.3  # intersection over union from which two finds are one face
_EVERY_S = 1.0


class FaceFinder:
    """Finds all faces of single pictures with the face detector in MediaPipe's wheel.

    The detector sees a picture shrunk to 192 pixels and misses faces narrower than about 6 % of
    its width. A wide picture is therefore searched as a whole and in the squares at its ends.
    Raises `MissingAsset` without a mediapipe that has the detector.
    """

    def __init__(self) -> None:
        mediapipe = load_mediapipe()
        if not hasattr(mediapipe, "solutions"):
            raise MissingAsset(
                f"mediapipe {mediapipe.__version__} no longer carries the face detector",
                hint=INSTALL,
            )
        self._graph: Any = mediapipe.solutions.face_detection.FaceDetection(
            model_selection=_FULL_RANGE, min_detection_confidence=_SURE
        )

    def face_boxes(self, rgb: Image) -> Boxes:
        """Left, top, right, bottom (N, 4) of the faces in `rgb` (H, W, 3) in pixels, surest first.

        A box spans about brows to chin; it may stick out of the picture.
        """
        found: list[tuple[float, npt.NDArray[np.float64]]] = []
        for left, top, right, bottom in _windows(rgb.shape[1], rgb.shape[0]):
            part = np.ascontiguousarray(rgb[top:bottom, left:right])
            for detection in self._graph.process(part).detections or ():
                box = detection.location_data.relative_bounding_box
                x, y = box.xmin, box.ymin
                edges = np.array([x, y, x + box.width, y + box.height], np.float64)
                edges *= np.tile([right - left, bottom - top], 2)
                found.append((detection.score[0], edges + np.tile([left, top], 2)))
        found.sort(key=lambda face: -face[0])
        return _distinct([edges for _, edges in found])

    def close(self) -> None:
        """Free the detector; a second time does nothing."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None


class PeopleCounter:
    """Counts faces about once in a second of video; one instance serves one stretch of a clip.

    `counts` holds the number of people in each picture that was looked at.
    """

    def __init__(self) -> None:
        self._finder = FaceFinder()
        self._next_s = -np.inf
        self.counts: list[int] = []

    def look(self, rgb: Image, time_s: float) -> None:
        """Show it a frame `rgb` (H, W, 3); most of them are let pass."""
        if time_s >= self._next_s:
            self.counts.append(len(self._finder.face_boxes(rgb)))
            self._next_s = time_s + _EVERY_S

    @property
    def most(self) -> int:
        """The largest number of people seen at once."""
        return max(self.counts, default=0)

    @property
    def usual(self) -> int:
        """The number of people seen most often, the smaller one of two as frequent."""
        often = Counter(self.counts)
        return min(often, key=lambda people: (-often[people], people), default=0)

    def close(self) -> None:
        """Free the detector; a second time does nothing."""
        self._finder.close()


def _windows(width: int, height: int) -> list[tuple[int, int, int, int]]:
    side = min(width, height)
    windows = [(0, 0, width, height)]
    if max(width, height) >= _WIDE * side:
        windows += [(0, 0, side, side), (width - side, height - side, width, height)]
    return windows


def _distinct(boxes: list[npt.NDArray[np.float64]]) -> Boxes:
    """The boxes (N, 4) without repetitions of an earlier one."""
    kept: list[npt.NDArray[np.float64]] = []
    for box in boxes:
        if all(_overlap(box, other) < _SAME for other in kept):
            kept.append(box)
    distinct: Boxes = np.rint(np.array(kept).reshape(-1, 4)).astype(np.int32)
    return distinct


def _overlap(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Intersection over union."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0
