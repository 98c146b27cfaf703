"""What every landmark estimator offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FARTHEST = 10.0
"""In frame sides: what an estimator puts further outside is no place but a fault."""


@dataclass(frozen=True)
class FrameLandmarks:
    """Points of one frame, in the order of the estimator's layout.

    `points` (V, 3) float32 holds x and y in [0, 1] of the frame (beyond it for points outside) and
    z in the estimator's own unit; `confidence` (V,) float32; `valid` (V,) bool. What is not valid
    is 0 in the arrays. `unusable` counts points that the estimator gave but that are no numbers or
    absurdly far away; they are missing.
    """

    points: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    unusable: int = 0


class Estimator(Protocol):
    """Finds landmarks in the frames of one clip, in order. One instance serves one clip.

    `name`, `version` and `settings` (plain values) identify what produced the numbers; `layout` is
    the name of the layout that it fills. `sees_pixels` is False for one that reads landmarks found
    before and ignores the picture.
    """

    name: str
    version: str
    settings: dict[str, Any]
    layout: str
    sees_pixels: bool

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the next frame `rgb` (H, W, 3), shown at `time_s`."""
        ...

    def close(self) -> None:
        """Free what the estimator holds; a second time does nothing."""
        ...


def usable_landmarks(
    points: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
) -> FrameLandmarks:
    """Landmarks from what an estimator gave, what is missing or unusable set to 0.

    Points outside the frame are true and stay, up to `FARTHEST` frames away.
    """
    with np.errstate(invalid="ignore"):
        places = (np.abs(points[:, :2]) <= FARTHEST).all(axis=1)
    sound = places & np.isfinite(points[:, 2]) & np.isfinite(confidence)
    seen = valid & sound
    zero = np.float32(0)
    return FrameLandmarks(
        np.where(seen[:, None], points, zero), np.where(seen, confidence, zero), seen,
        int((valid & ~sound).sum()),
    )  # fmt: skip
