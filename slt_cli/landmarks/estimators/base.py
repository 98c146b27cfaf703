"""What every landmark estimator offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FrameLandmarks:
    """Points of one frame, in the order of the estimator's layout.

    `points` (V, 3) float32 holds x and y in [0, 1] of the frame (beyond it for points outside) and
    z in the estimator's own unit; `confidence` (V,) float32; `valid` (V,) bool. What is not valid
    is 0 in the arrays.
    """

    points: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]


class Estimator(Protocol):
    """Finds landmarks in the frames of one clip, in order. One instance serves one clip.

    `name`, `version` and `settings` (plain values) identify what produced the numbers; `layout` is
    the name of the layout that it fills.
    """

    name: str
    version: str
    settings: dict[str, Any]
    layout: str

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the next frame `rgb` (H, W, 3), shown at `time_s`."""
        ...

    def close(self) -> None:
        """Free what the estimator holds."""
        ...
