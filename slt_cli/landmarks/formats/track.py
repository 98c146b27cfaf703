"""Landmarks of a whole clip that somebody else has found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

ASSUMED_FPS = 25
"""Frame rate of landmarks that come without times."""
UNKNOWN_SIZE = (1, 1)
"""Picture size when nothing tells it: coordinates are then fractions of the picture already."""
_FPS_RANGE = (0.01, 10_000.0)


@dataclass(frozen=True)
class LandmarkTrack:
    """Landmarks of T frames in the layout `layout` with V points.

    `points` (T, V, 3) float32 holds x and y in [0, 1] of the frame (beyond it for points outside)
    and z in the estimator's own unit, `confidence` (T, V) float32, `valid` (T, V) bool; what is not
    valid is 0. `time_s` (T,) float64; `is_timed` tells whether these times were measured rather
    than made from a frame rate. `frame_size` is (width, height), (1, 1) when unknown. `estimator`
    has the keys name, version, settings; `file_format` is what the landmarks were read from.
    `notes` say what had to be assumed or was left out. `member` names the clip in a file that may
    hold several.
    """

    points: Floats
    confidence: Floats
    valid: Bools
    time_s: npt.NDArray[np.float64]
    layout: str
    frame_size: tuple[int, int]
    fps: Fraction | None
    file_format: str
    estimator: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_timed: bool = False
    member: str = ""

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class ClipAnnotation:
    """What a corpus file says about a clip beside its landmarks; empty where it says nothing."""

    video_id: str
    text: str
    glosses: tuple[str, ...]
    signer: str


@dataclass(frozen=True)
class Known:
    """What the caller knows of the video where the landmark file does not tell."""

    frame_size: tuple[int, int] | None = None
    fps: Fraction | None = None


def track_from_pixels(
    xyz: npt.NDArray[Any],
    confidence: npt.NDArray[Any],
    layout: str,
    frame_size: tuple[int, int],
    fps: Fraction | None,
    *,
    file_format: str,
    notes: tuple[str, ...] = (),
) -> LandmarkTrack:
    """A track from pixel coordinates (T, V, 3) and confidence (T, V).

    A point is valid where its confidence is above 0 and all its numbers are finite. Confidence
    above 1, which some networks give, becomes 1.
    """
    valid = np.isfinite(xyz).all(axis=2) & np.isfinite(confidence) & (confidence > 0)
    points = np.array(xyz, np.float32)
    points[~valid] = 0
    points[..., :2] /= np.array(frame_size, np.float32)
    rate = fps or Fraction(ASSUMED_FPS)
    if fps is None:
        notes = (*notes, f"no frame rate in the file: {ASSUMED_FPS} frames per second assumed")
    above = int((confidence[valid] > 1).sum())
    if above:
        notes = (*notes, f"{above} values of confidence above 1 stored as 1")
    return LandmarkTrack(
        points=points,
        confidence=np.where(valid, np.minimum(confidence, 1), 0).astype(np.float32),
        valid=valid,
        time_s=np.arange(len(points)) / float(rate),
        layout=layout,
        frame_size=frame_size,
        fps=fps,
        file_format=file_format,
        estimator={"name": "imported", "version": file_format, "settings": {}},
        notes=notes,
    )


def size_from_extent(xy: npt.NDArray[Any], valid: Bools) -> tuple[int, int]:
    """The smallest picture (width, height) that reaches to the furthest valid point."""
    if not valid.any():
        return UNKNOWN_SIZE
    width, height = (max(1, math.ceil(limit)) for limit in xy[valid].max(axis=0))
    return width, height


def rational_fps(fps: float) -> Fraction | None:
    """A frame rate as the fraction that rounds to the same float32: 29.97003 is 30000/1001.

    None for what is no frame rate.
    """
    if not (math.isfinite(fps) and _FPS_RANGE[0] <= fps <= _FPS_RANGE[1]):
        return None
    exact = Fraction(fps)
    usual = exact.limit_denominator(1001)
    return usual if np.float32(float(usual)) == np.float32(fps) else exact
