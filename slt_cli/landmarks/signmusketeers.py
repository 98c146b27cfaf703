"""The pose as SignMusketeers reads it: seven points in the signing space of sign linguistics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.normalise import Landmarks

NAME = "signmusketeers"
POINTS = tuple(
    f"POSE.{name}"
    for name in ("NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_ELBOW", "RIGHT_ELBOW",
                 "LEFT_WRIST", "RIGHT_WRIST")
)  # fmt: skip
_WIDTH, _HEIGHT = 6.0, 7.0  # of the signing space, in head units
_ABOVE_EYE = 0.5  # head units from the left eye to the upper edge
_SMALLEST = 1e-6  # pixels; shoulders on one point give no unit


def signmusketeers_pose(clip: Landmarks) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """x and y of the seven `POINTS` (T, 7, 2) in signing space, and which are valid (T, 7).

    A head unit is half the distance between the shoulders. The signing space is 6 head units wide,
    with the nose in its middle, and 7 high, from half a head unit above the left eye; scaled to a
    unit square around (0.5, 0.5), x right and y down. Points may lie outside. A point that a frame
    does not show, or cannot place, stays where it was last; before its first appearance it is 0 and
    not valid.

    After Gueuwou et al., SignMusketeers (Findings of ACL 2025, 2025.findings-acl.1157), which gives
    size and anchors; the edges are those of the same authors' SHuBERT (arXiv 2411.16765).
    """
    layout = get_layout(clip.layout)
    points = [layout.index(name) for name in POINTS]
    xy = clip.keypoints[:, points, :2].astype(np.float64) * clip.frame_size
    eye = clip.keypoints[:, layout.index("POSE.LEFT_EYE"), 1] * clip.frame_size[1]
    unit = np.linalg.norm(xy[:, 1] - xy[:, 2], axis=-1) / 2
    usable = clip.valid[:, [*points[:3], layout.index("POSE.LEFT_EYE")]].all(axis=1)
    usable &= unit > _SMALLEST
    unit = np.where(usable, unit, 1)
    corner = np.stack([xy[:, 0, 0] - _WIDTH / 2 * unit, eye - _ABOVE_EYE * unit], axis=-1)
    placed = (xy - corner[:, None]) / (unit[:, None, None] * (_WIDTH, _HEIGHT))
    return _hold(placed, clip.valid[:, points] & usable[:, None])


def _hold(
    placed: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Repeat each point until it is seen again."""
    last = np.where(valid, np.arange(len(valid))[:, None], -1)
    last = np.maximum.accumulate(last, axis=0) if len(last) else last
    known = last >= 0
    held = np.take_along_axis(placed, np.maximum(last, 0)[..., None], axis=0)
    return (held * known[..., None]).astype(np.float32), known
