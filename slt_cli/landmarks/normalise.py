"""What models read: points of the four streams, placed in one of two ways.

`signer`: relative to the signer instead of to the picture. One origin and one unit serve a whole
clip: the median shoulder midpoint and the median distance between the shoulders, in pixels.
Per-frame values would add the detector's jitter to every point and hide the leaning of the body,
which marks who is speaking in a story. In their own streams hands and face are placed relative to
their wrist and nose in the same unit: a hand's own size would change with the handshape and with
its direction, shoulders do neither. Where wrist and nose are is told by the body, whose points all
stand in the signer's space, and by the arm and head points of the hand streams, which do too.
Without `center` the origin is the middle of the picture and the unit stays: so a model can read
where in the picture the signer stands, as in recordings of two people side by side.

`published`: relative to the picture, as the code of MSKA (Guan et al., arXiv 2405.05672) does. That
keeps the signer's place in any case, so `center` changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import STREAMS, Layout, get_layout

# Shoulder width over the height of a face and over the length of a palm: medians of real clips.
_SHOULDERS_PER_FACE = 1.9
_SHOULDERS_PER_PALM = 4.0
# Shoulder width over the distance from the nose to hands that rest in the lap.
_SHOULDERS_PER_REACH = 0.6
# Brings hands and face to about unit size: a hand is half a shoulder width long, half a face a
# quarter.
GAIN = {"face": 4.0, "hand_left": 2.0, "hand_right": 2.0}

SIGNER, PUBLISHED = "signer", "published"
"""The two ways of placing keypoints."""

# Every layout gives a stream's points in the same order: arm and head before the hand, whose first
# point is the wrist; the tip of the nose within the face.
_FIRST_OWN = {"face": 0, "hand_left": 6, "hand_right": 6}
_ROOT = {"face": 10, "hand_left": 6, "hand_right": 6}

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Landmarks(Protocol):
    """A clip's landmarks: `keypoints` (T, V, 3), `valid` (T, V), layout name, (width, height)."""

    @property
    def keypoints(self) -> npt.NDArray[np.float32]:
        """(T, V, 3): x and y in [0, 1] of the frame, confidence."""

    @property
    def valid(self) -> Bools:
        """(T, V)."""

    @property
    def layout(self) -> str:
        """Name of the layout."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""


@dataclass(frozen=True)
class StreamArray:
    """One stream: `x` (T, V, 3) float32 holds x, y, confidence; `valid` (T, V)."""

    x: npt.NDArray[np.float32]
    valid: Bools


def standing(stream: str, kind: str) -> slice:
    """Points of a stream that move when the signer does; the others are relative to a root."""
    return slice(0, None if kind == PUBLISHED else _FIRST_OWN.get(stream))


def normalise_keypoints(
    clip: Landmarks, kind: str = SIGNER, *, center: bool = True
) -> dict[str, StreamArray]:
    """Points of the streams: x, y, confidence.

    `signer`: whatever the signer's place and size and the picture's resolution. x points to the
    right of the picture, y down; lengths are shoulder widths, times `GAIN` for the points that are
    relative to a wrist or the nose. Missing points are 0 and not valid. Without `center` the origin
    is the middle of the picture instead of the signer's shoulders.

    `published`: x' = 2x - 1 and y' = 1 - 2y with x, y in [0, 1] of the picture. A missing point is
    where the published data have it, in the upper left corner (-1, 1), and not valid.

    Raises `InputError` for any other kind.
    """
    if kind not in (SIGNER, PUBLISHED):
        raise InputError(
            f"unknown normalisation {kind!r}", hint=f"known are {SIGNER} and {PUBLISHED}"
        )
    layout = get_layout(clip.layout)
    body = layout.streams["body"]  # the points of the other streams are among them
    valid = clip.valid[:, body]
    if kind == PUBLISHED:
        x = _in_picture(clip, body)
    else:
        x = _in_shoulder_widths(clip, layout, center)
    streams = {}
    for name in (stream for stream in STREAMS if layout.streams[stream]):
        points = _within_body(layout, name)
        part = StreamArray(x[:, points], valid[:, points])
        if kind == SIGNER and name in GAIN and len(points) > _ROOT[name]:
            _place_around_root(part, name)
        streams[name] = part
    return streams


def _in_picture(clip: Landmarks, points: Sequence[int]) -> npt.NDArray[np.float32]:
    x = clip.keypoints[:, points].astype(np.float32)
    x[..., :2] = x[..., :2] * (2, -2) + (-1, 1)
    return x


def _in_shoulder_widths(clip: Landmarks, layout: Layout, center: bool) -> npt.NDArray[np.float32]:
    body = layout.streams["body"]
    origin = _origin(clip, layout) if center else np.array(clip.frame_size) / 2
    x = clip.keypoints[:, body].astype(np.float32)
    x[..., :2] = (_pixels(clip, body) - origin) / _unit(clip, layout)
    return x * clip.valid[:, body, None]


def _place_around_root(part: StreamArray, name: str) -> None:
    """Move a hand to its wrist or the face to its nose; without that, to the mean of the others."""
    own = slice(_FIRST_OWN[name], None)
    xy, seen = part.x[:, own, :2].astype(np.float64), part.valid[:, own, None]
    mean = xy.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    root = np.where(part.valid[:, [_ROOT[name]]], part.x[:, _ROOT[name], :2], mean)
    part.x[:, own, :2] = (xy - root[:, None]) * GAIN[name] * seen


@cache
def _within_body(layout: Layout, stream: str) -> list[int]:
    return [layout.streams["body"].index(point) for point in layout.streams[stream]]


def _pixels(clip: Landmarks, points: Sequence[int]) -> Floats:
    """(T, len(points), 2)."""
    xy: Floats = clip.keypoints[:, points, :2].astype(np.float64) * clip.frame_size
    return xy


def _found(layout: Layout, *names: str) -> list[int]:
    """Indices of the points of these names; empty where the layout lacks one of them."""
    return [layout.index(name) for name in names] if set(names) <= set(layout.points) else []


def _shoulders(layout: Layout) -> list[int]:
    return _found(layout, "POSE.LEFT_SHOULDER", "POSE.RIGHT_SHOULDER")


def _unit(clip: Landmarks, layout: Layout) -> float:
    """Shoulder width in pixels; without shoulders it is inferred from the face, then the palms.

    Without those, it is inferred from how far the points reach, most of all those of resting hands.
    """
    width = _median(_length(clip, _shoulders(layout)))
    if width:
        return width
    face = _median(np.ptp(_seen(clip, layout.component("FACE"))[..., 1], axis=1))
    if face:
        return _SHOULDERS_PER_FACE * face
    palms = [
        _found(layout, f"{hand}.WRIST", f"{hand}.MIDDLE_FINGER_MCP")
        for hand in ("LEFT_HAND", "RIGHT_HAND")
    ]
    lengths = np.concatenate([_length(clip, palm) for palm in palms])
    palm = _SHOULDERS_PER_PALM * _median(lengths)
    return palm or _SHOULDERS_PER_REACH * _reach(clip, layout) or 1.0


def _reach(clip: Landmarks, layout: Layout) -> float:
    """How far points go from the origin in pixels, leaving out the farthest twentieth."""
    every = _pixels(clip, range(len(layout)))[clip.valid]
    if not len(every):
        return 0.0
    return float(np.percentile(np.linalg.norm(every - _origin(clip, layout), axis=-1), 95))


def _origin(clip: Landmarks, layout: Layout) -> Floats:
    """Median shoulder midpoint (2,), else the median nose, else the median of all points."""
    for anchor in (_shoulders(layout), [layout.index("POSE.NOSE")]):
        seen = _seen(clip, anchor)
        if len(seen):
            middle: Floats = np.median(seen.mean(axis=1), axis=0)
            return middle
    every = _pixels(clip, range(len(layout)))[clip.valid]
    centre: Floats = np.median(every, axis=0) if len(every) else np.zeros(2)
    return centre


def _seen(clip: Landmarks, points: Sequence[int]) -> Floats:
    """Pixels of a group of points in the frames that show all of them; none of no points."""
    if not len(points):
        return np.zeros((0, 1, 2))
    seen: Floats = _pixels(clip, points)[clip.valid[:, points].all(axis=1)]
    return seen


def _length(clip: Landmarks, pair: Sequence[int]) -> Floats:
    """Distance of two points in the frames that show both; none if there are no two."""
    if len(pair) < 2:
        return np.zeros(0)
    seen = _seen(clip, pair)
    distance: Floats = np.linalg.norm(seen[:, 0] - seen[:, 1], axis=-1)
    return distance


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else 0.0
