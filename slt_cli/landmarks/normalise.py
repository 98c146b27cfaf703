"""What models read: points relative to the signer instead of to the picture.

One origin and one unit serve a whole clip: the median shoulder midpoint and the median distance
between the shoulders, in pixels. Per-frame values would add the detector's jitter to every point
and hide the leaning of the body, which marks who is speaking in a story. Hands and face are placed
relative to their own wrist and nose (where those are is told by the body) in the same unit: a
hand's own size would change with the handshape and with its direction, shoulders do neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.layouts import STREAMS, Layout, get_layout

# Shoulder width over the height of a face and over the length of a palm: medians of real clips.
_SHOULDERS_PER_FACE = 1.9
_SHOULDERS_PER_PALM = 4.0
# Brings every part to about unit size: a hand is half a shoulder width long, half a face a quarter.
GAIN = {"body": 1.0, "face": 4.0, "hand_left": 2.0, "hand_right": 2.0}

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


def normalise_keypoints(clip: Landmarks) -> dict[str, StreamArray]:
    """Points of the streams, whatever the signer's place and size and the picture's resolution.

    The body is relative to the median shoulder midpoint; each hand to its wrist and the face to
    its nose, frame by frame. x points to the right of the picture, y down. Lengths are shoulder
    widths times `GAIN`. Missing points are 0 and not valid.
    """
    layout = get_layout(clip.layout)
    xy = clip.keypoints[..., :2].astype(np.float64) * clip.frame_size
    unit = _unit(xy, clip.valid, layout)
    streams = {}
    for name in STREAMS:
        points = list(layout.streams[name])
        valid = clip.valid[:, points]
        if name == "body":
            anchor: Floats = _origin(xy, clip.valid, layout)[None]
        else:
            anchor = _own_anchor(xy, clip.valid, layout, name)
        placed = (xy[:, points] - anchor[:, None]) * (GAIN[name] / unit)
        x = np.dstack([placed, clip.keypoints[:, points, 2]]) * valid[..., None]
        streams[name] = StreamArray(x.astype(np.float32), valid.copy())
    return streams


def _shoulders(layout: Layout) -> list[int]:
    return [layout.index("POSE.LEFT_SHOULDER"), layout.index("POSE.RIGHT_SHOULDER")]


def _unit(xy: Floats, valid: Bools, layout: Layout) -> float:
    """Shoulder width in pixels; without shoulders it is inferred from the face, then the hands."""
    width = _median(_length(xy, valid, _shoulders(layout)))
    if width:
        return width
    face = _median(_heights(xy, valid, layout.component("FACE")))
    if face:
        return _SHOULDERS_PER_FACE * face
    palms = [
        [layout.index(f"{hand}.WRIST"), layout.index(f"{hand}.MIDDLE_FINGER_MCP")]
        for hand in ("LEFT_HAND", "RIGHT_HAND")
    ]
    lengths = np.concatenate([_length(xy, valid, palm) for palm in palms])
    return _SHOULDERS_PER_PALM * _median(lengths) or 1.0


def _origin(xy: Floats, valid: Bools, layout: Layout) -> Floats:
    """Median shoulder midpoint (2,), else the median nose, else the median of all points."""
    for anchor in (_shoulders(layout), [layout.index("POSE.NOSE")]):
        seen = valid[:, anchor].all(axis=1)
        if seen.any():
            middle: Floats = np.median(xy[seen][:, anchor].mean(axis=1), axis=0)
            return middle
    return np.median(xy[valid], axis=0) if valid.any() else np.zeros(2)


def _own_anchor(xy: Floats, valid: Bools, layout: Layout, stream: str) -> Floats:
    """Wrist or nose of every frame (T, 2); where that alone is missing, the mean of the others."""
    roots = {
        "face": layout.face_nose,
        "hand_left": layout.index("LEFT_HAND.WRIST"),
        "hand_right": layout.index("RIGHT_HAND.WRIST"),
    }
    points, root = list(layout.streams[stream]), roots[stream]
    seen = valid[:, points, None]
    mean = (xy[:, points] * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    anchor: Floats = np.where(valid[:, [root]], xy[:, root], mean)
    return anchor


def _length(xy: Floats, valid: Bools, pair: list[int]) -> Floats:
    """Distance of two points in the frames that show both."""
    seen = xy[valid[:, pair].all(axis=1)][:, pair]
    distance: Floats = np.linalg.norm(seen[:, 0] - seen[:, 1], axis=-1)
    return distance


def _heights(xy: Floats, valid: Bools, points: tuple[int, ...]) -> Floats:
    """Height of a group of points in the frames that show all of them."""
    seen = xy[valid[:, list(points)].all(axis=1)][:, list(points), 1]
    height: Floats = np.ptp(seen, axis=1)
    return height


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else 0.0
