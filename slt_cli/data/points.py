"""Stored landmarks to the point streams a model reads. No torch: exported bundles use it too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.data.interpolate import fill_gaps
from slt_cli.landmarks.normalise import normalise_keypoints

Points = dict[str, npt.NDArray[np.float32]]
Masks = dict[str, npt.NDArray[np.bool_]]


def keypoint_streams(
    clip: ClipKeypoints, streams: Sequence[str], interpolate_gap: int = 0
) -> tuple[Points, Masks]:
    """`keypoints_<part>` (T, V, 3) and its mask (T, V), when `streams` asks for keypoints.

    Points that are missing for at most `interpolate_gap` frames are filled and count as valid.
    """
    if "keypoints" not in streams:
        return {}, {}
    parts = normalise_keypoints(fill_gaps(clip, interpolate_gap))
    return (
        {f"keypoints_{name}": part.x for name, part in parts.items()},
        {f"keypoints_{name}": part.valid for name, part in parts.items()},
    )


def pose_stream(pose: npt.NDArray[np.float32], num_points: int) -> tuple[Points, Masks]:
    """`pose` (T, num_points, 3) and its mask from a signing-space pose (T, 3 * L), missing -1."""
    points = pose.reshape(len(pose), -1, 3)[:, :num_points]
    return {"pose": np.maximum(points, 0.0)}, {"pose": points[..., 0] >= 0}
