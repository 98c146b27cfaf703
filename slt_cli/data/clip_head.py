"""What a clip file says about itself, without the points that make up nearly all of it."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import (
    POSE_NORM,
    SCHEMA,
    ClipKeypoints,
    load_clip_keypoints,
    load_pose,
)
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout

_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, InputError,
)  # fmt: skip


@dataclass(frozen=True)
class ClipHead:
    """Times of the frames (T,), and layout and estimator of the landmarks."""

    time_s: npt.NDArray[np.float64]
    landmarks: dict[str, Any]


def landmarks_of(clip: ClipKeypoints) -> dict[str, Any]:
    """Layout and estimator of a clip, as `ClipHead.landmarks`."""
    return {"layout": clip.layout, **clip.estimator}


def read_head(path: Path) -> ClipHead:
    """The head of a clip file, whose arrays fit together as far as their shapes tell.

    Costs a fifth of reading the whole; only a file of an older corpus is read in full. Raises what
    `load_clip_keypoints` raises: whatever is odd here is judged there.
    """
    try:
        if (head := _head(path)) is not None:
            return head
    except _UNREADABLE:
        pass
    clip = load_clip_keypoints(path)
    return ClipHead(clip.time_s, landmarks_of(clip))


def pose_frames(path: Path) -> int:
    """Frames of a stored pose. Raises what `load_pose` raises."""
    try:
        with np.load(path, allow_pickle=False) as file:
            shape = _shape(file, "pose")
            if str(file["pose_norm"]) == POSE_NORM and len(shape) == 2 and not shape[1] % 3:
                return shape[0]
    except _UNREADABLE:
        pass
    return len(load_pose(path))


def _head(path: Path) -> ClipHead | None:
    """None for a file of another schema, or one whose arrays do not fit together."""
    if path.suffix != ".npz":
        return None
    with np.load(path, allow_pickle=False) as file:
        if "schema" not in file.files or int(file["schema"]) != SCHEMA:
            return None
        time_s, layout = file["time_s"].astype(np.float64, copy=False), str(file["layout"])
        frames, points = len(time_s), len(get_layout(layout))
        expected = {
            "keypoints": (frames, points, 3), "z": (frames, points), "valid": (frames, points),
            "crop_source": (3, frames), "time_s": (frames,),
        }  # fmt: skip
        if any(_shape(file, name) != shape for name, shape in expected.items()):
            return None
        if not np.isfinite(time_s).all():
            return None
        return ClipHead(time_s, {"layout": layout, **json.loads(str(file["estimator"]))})


def _shape(file: Any, name: str) -> tuple[int, ...]:
    """Shape of an array in an `.npz`, from its header alone."""
    with file.zip.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) == (1, 0):
            shape, _, _ = np.lib.format.read_array_header_1_0(member)
        else:
            shape, _, _ = np.lib.format.read_array_header_2_0(member)
    return tuple(shape)
