"""Choosing frames by their times: a target rate, a limit, or every n-th."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

_ALMOST_WITHIN = 0.0015  # 30 is within 29.97
_EARLY = 0.45


@dataclass(frozen=True)
class Resampling:
    """Which frames of a video to keep; at most one of the three is given.

    `fps`: so many per second, never more than there are (no frame is repeated). `fps_limit`: every
    n-th with the least n that stays within this rate. `stride`: every n-th.
    """

    fps: float | None = None
    fps_limit: float | None = None
    stride: int = 1

    def target_fps(self, source_fps: Fraction | None) -> float | None:
        """Frames per second kept of a video with `source_fps`; None: all, or not known."""
        if self.fps is not None:
            return self.fps
        if source_fps is None:
            return self.fps_limit
        stride = self.stride
        if self.fps_limit is not None:
            stride = math.ceil(float(source_fps) / (self.fps_limit * (1 + _ALMOST_WITHIN)))
        return float(source_fps) / stride if stride > 1 else None

    def selector(self, source_fps: Fraction | None) -> Callable[[float], bool]:
        """A fresh function for one pass: told each frame's time in order, whether to keep it.

        Time is divided into cells of one frame of the target rate, counted from time 0, and the
        first frame of each cell is kept. As the cells do not depend on where a pass begins, passes
        over different spans agree from the second cell on. A frame up to 0.45 of a source step
        (or of a cell, if that is shorter) ahead of a cell counts as in it: so rounded times
        do no harm, and a kept frame lies within one source step of the cell's beginning.
        At an unknown source rate a stride counts frames instead.
        """
        target_fps = self.target_fps(source_fps)
        if target_fps is None:
            return _every(self.stride if source_fps is None else 1)
        early = _EARLY
        if source_fps is not None:
            early *= min(1.0, target_fps / float(source_fps))
        return _first_of_cells(target_fps, early)


def _first_of_cells(fps: float, early: float) -> Callable[[float], bool]:
    last: int | None = None

    def keep(time_s: float) -> bool:
        nonlocal last
        cell, before = math.floor(time_s * fps + early), last
        last = cell
        return cell != before

    return keep


def _every(stride: int) -> Callable[[float], bool]:
    seen = -1

    def keep(time_s: float) -> bool:
        nonlocal seen
        seen += 1
        return seen % stride == 0

    return keep
