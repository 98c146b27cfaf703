"""`signing_space_v1`: the pose as the older scripts stored it, for whoever still reads it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.layouts import Layout

MISSING = (-1.0, -1.0, 0.0)
_SMALLEST = 1e-6  # of the frame; a nose on the shoulders gives no unit


def signing_space_v1(
    keypoints: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    layout: Layout,
    num_points: int,
) -> npt.NDArray[np.float32]:
    """Pose (T, 3 * num_points): x, y in signing space and visibility of the first pose points.

    With the shoulder midpoint (x0, y0) and its distance u from the nose, all in [0, 1] of the
    frame: x' = 0.5 + (x - x0) / (6u), y' = 0.5 + (y - y0) / (7u), clipped to [0, 1]. A frame
    without shoulders and nose repeats the one before; before the first it is -1, -1, 0.

    Args:
        keypoints: (T, V, 3) x, y, confidence.
        valid: (T, V).
    """
    pose = list(layout.component("POSE")[:num_points])
    nose, left, right = (
        layout.index(f"POSE.{name}") for name in ("NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER")
    )
    xy = keypoints[..., :2].astype(np.float64)
    origin = (xy[:, left] + xy[:, right]) / 2
    unit = np.linalg.norm(xy[:, nose] - origin, axis=-1)
    usable = valid[:, [nose, left, right]].all(axis=1) & (unit > _SMALLEST)
    box = np.where(usable, unit, 1)[:, None, None] * np.array([6.0, 7.0])
    placed = np.clip(0.5 + (xy[:, pose] - origin[:, None]) / box, 0, 1)
    rows = np.dstack([placed, keypoints[:, pose, 2]])
    rows[~valid[:, pose]] = MISSING
    rows[~usable] = MISSING
    return _repeat_previous(rows, usable).reshape(len(rows), -1).astype(np.float32)


def _repeat_previous(
    rows: npt.NDArray[np.float64], usable: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Fill unusable frames with the last usable one; frames before the first stay as they are."""
    last = np.maximum.accumulate(np.where(usable, np.arange(len(rows)), -1))
    filled: npt.NDArray[np.float64] = np.where((last >= 0)[:, None, None], rows[last], rows)
    return filled
