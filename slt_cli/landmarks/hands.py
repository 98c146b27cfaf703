"""Whose hand is it: hands are given to the pose wrist they hang on, not to the estimator's label.

The pose knows left from right by the whole body; a hand detector guesses from one small image and
errs when hands cross, touch or are seen in a mirror.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import Layout

HandAction = Literal["kept", "swapped", "moved", "dropped"]

# In shoulder widths. A label is overruled only when the other wrist is clearly nearer, and a hand
# further from its wrist than any hand can be is a second sighting of the other one.
CLEARLY = 0.1
REACH = 0.5


@dataclass(frozen=True)
class _Hands:
    """Distances (2 hands, 2 wrists) in shoulder widths; inf where a hand was not found."""

    distance: npt.NDArray[np.float64]
    found: tuple[bool, bool]


def assign_hands(
    landmarks: FrameLandmarks, layout: Layout, frame_size: tuple[int, int]
) -> tuple[FrameLandmarks, HandAction]:
    """Put the hands of one frame on the signer's own left and right side.

    Returns the landmarks and what was done: `kept`, `swapped` both, `moved` the only one to the
    other side, or `dropped` the further of two sightings of one hand. Without the pose of both
    shoulders and wrists the labels are kept.
    """
    hands = _distances(landmarks, layout, frame_size)
    if hands is None:
        return landmarks, "kept"
    own = hands.distance.diagonal()
    other = hands.distance[::-1].diagonal()[::-1]  # left to right wrist, right to left wrist
    if all(hands.found):
        if (hands.distance.argmin(axis=1) == hands.distance.argmin(axis=1)[0]).all():
            doubled = _doubled(hands.distance)
            if doubled is not None:
                return _dropped(landmarks, layout, *doubled), "dropped"
        if other.sum() + CLEARLY < own.sum():
            return _exchanged(landmarks, layout), "swapped"
        return landmarks, "kept"
    side = 0 if hands.found[0] else 1
    if any(hands.found) and other[side] + CLEARLY < own[side]:
        return _exchanged(landmarks, layout), "moved"
    return landmarks, "kept"


def _distances(
    landmarks: FrameLandmarks, layout: Layout, frame_size: tuple[int, int]
) -> _Hands | None:
    names = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST")
    body = [layout.index(f"POSE.{name}") for name in names]
    roots = [layout.index("LEFT_HAND.WRIST"), layout.index("RIGHT_HAND.WRIST")]
    if not landmarks.valid[body].all() or not landmarks.valid[roots].any():
        return None
    pixels = landmarks.points[:, :2].astype(np.float64) * frame_size
    unit = np.linalg.norm(pixels[body[0]] - pixels[body[1]])
    if unit == 0:
        return None
    distance = np.linalg.norm(pixels[roots][:, None] - pixels[body[2:]], axis=-1) / unit
    found = (bool(landmarks.valid[roots[0]]), bool(landmarks.valid[roots[1]]))
    distance[~np.array(found)] = np.inf
    return _Hands(distance, found)


def _doubled(distance: npt.NDArray[np.float64]) -> tuple[int, int] | None:
    """Both hands hang on one wrist: (the hand that is not real, the wrist), if none can reach."""
    wrist = int(distance[0].argmin())
    further = int(distance[:, wrist].argmax())
    return (further, wrist) if distance[further, 1 - wrist] > REACH else None


def _dropped(landmarks: FrameLandmarks, layout: Layout, unreal: int, wrist: int) -> FrameLandmarks:
    """Remove the hand `unreal` and put the other one on `wrist` (0 left, 1 right)."""
    components = ("LEFT_HAND", "RIGHT_HAND")
    seen = landmarks.valid.copy()
    seen[list(layout.component(components[unreal]))] = False
    cleaned = replace(
        landmarks, points=landmarks.points * seen[:, None],
        confidence=landmarks.confidence * seen, valid=seen,
    )  # fmt: skip
    return cleaned if wrist == 1 - unreal else _exchanged(cleaned, layout)


def _exchanged(landmarks: FrameLandmarks, layout: Layout) -> FrameLandmarks:
    """The same landmarks with left and right hand in each other's place."""
    order = np.arange(len(layout))
    left, right = list(layout.component("LEFT_HAND")), list(layout.component("RIGHT_HAND"))
    order[left], order[right] = right, left
    return replace(
        landmarks, points=landmarks.points[order], confidence=landmarks.confidence[order],
        valid=landmarks.valid[order],
    )  # fmt: skip
