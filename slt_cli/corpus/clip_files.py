"""The landmarks and the pose of one clip on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.arrays import extract_hint, load_arrays
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import LAYOUTS, get_layout, layout_with
from slt_cli.storage.atomic import Blocks, write_npz

SCHEMA = 1
POSE_NORM = "signing_space_v1"
ASSUMED_FPS = 25
"""Frame rate given to arrays of older corpora, which hold no times."""


@dataclass(frozen=True)
class ClipKeypoints:
    """Everything known about the landmarks of one clip of T frames and V points.

    `keypoints` (T, V, 3) float32: x and y in [0, 1] of the frame (beyond it for points outside),
    confidence; `z` (T, V) float32; `valid` (T, V) bool; `time_s` (T,) float64. `crop_box`
    (3, T, 4) int32 holds left, top, right, bottom in pixels of the face, hand_l and hand_r crops,
    `crop_source` (3, T) uint8 where each came from: 0 missing, 1 detected, 2 pose, 3 previous.
    `frame_size` is (width, height); (1, 1) when an older corpus does not tell. `estimator` has the
    keys name, version, settings; `source` the keys name, sha256.
    """

    keypoints: npt.NDArray[np.float32]
    z: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    time_s: npt.NDArray[np.float64]
    crop_box: npt.NDArray[np.int32]
    crop_source: npt.NDArray[np.uint8]
    layout: str
    frame_size: tuple[int, int]
    fps: Fraction | None
    source: dict[str, Any] = field(default_factory=dict)
    estimator: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __len__(self) -> int:
        return len(self.keypoints)


def save_clip_keypoints(path: Path, clip: ClipKeypoints) -> None:
    """Write `keypoints/<video_id>.npz`; equal clips give equal bytes."""
    save_clip_blocks(path, clip, {})


def save_clip_blocks(path: Path, clip: ClipKeypoints, large: Mapping[str, Blocks]) -> None:
    """The same, with the arrays named in `large` given bit by bit instead of by `clip`."""
    fps = clip.fps or Fraction(0)
    arrays: dict[str, npt.NDArray[Any] | Blocks] = {
        "keypoints": clip.keypoints.astype(np.float32, copy=False),
        "z": clip.z.astype(np.float32, copy=False),
        "valid": clip.valid,
        "time_s": clip.time_s,
        "crop_box": clip.crop_box,
        "crop_source": clip.crop_source,
        "layout": np.array(clip.layout),
        "frame_size": np.array(clip.frame_size, np.int32),
        "fps": np.array([fps.numerator, fps.denominator], np.int64),
        "source": np.array(_json(clip.source)),
        "estimator": np.array(_json(clip.estimator)),
        "schema": np.array(clip.schema),
    }
    write_npz(path, arrays | dict(large))


def load_clip_keypoints(path: Path) -> ClipKeypoints:
    """Read a clip file, or a bare (T, V, 2..4) array of an older corpus (`.npz` or `.npy`).

    Raises `InputError` for a damaged, hostile, inconsistent or newer file.
    """
    arrays = load_arrays(path)
    if "schema" not in arrays:
        return _from_bare_array(_bare_array(arrays, path), path)
    if int(arrays["schema"]) > SCHEMA:
        raise InputError(
            f"written by a newer slt (schema {arrays['schema']}, this one reads {SCHEMA})",
            where=str(path), hint="upgrade slt",
        )  # fmt: skip
    try:
        clip = _from_arrays(arrays)
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise InputError(
            f"clip {path.stem}: a part is missing or cannot be read ({error})",
            where=str(path), hint=extract_hint(path),
        ) from error  # fmt: skip
    _check_shapes(clip, path)
    return clip


def save_pose(path: Path, pose: npt.NDArray[np.float32]) -> None:
    """Write `pose/<video_id>.npz` from a signing-space pose (T, 3 * L)."""
    write_npz(path, {"pose": pose.astype(np.float32, copy=False), "pose_norm": np.array(POSE_NORM)})


def load_pose(path: Path) -> npt.NDArray[np.float32]:
    """Read a signing-space pose (T, 3 * L), any L; missing points are -1, -1, 0.

    Raises `InputError` for a damaged file or a pose that is normalised otherwise.
    """
    arrays = load_arrays(path)
    norm = str(arrays.get("pose_norm", POSE_NORM))
    if "pose" not in arrays or norm != POSE_NORM:
        found = f"pose_norm {norm!r}" if "pose" in arrays else "keys " + ", ".join(arrays)
        raise InputError(
            f"expected `pose` in {POSE_NORM}, found {found}",
            where=str(path), hint=extract_hint(path),
        )  # fmt: skip
    pose = arrays["pose"]
    if pose.ndim == 3 and pose.shape[2] == 3:
        pose = pose.reshape(len(pose), -1)
    if pose.ndim != 2 or pose.shape[1] % 3 or not np.isfinite(pose).all():
        raise InputError(
            f"expected finite numbers of shape (T, 3 * L), found {pose.shape}",
            where=str(path), hint=extract_hint(path),
        )  # fmt: skip
    return pose.astype(np.float32, copy=False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _from_arrays(arrays: dict[str, Any]) -> ClipKeypoints:
    numerator, denominator = (int(n) for n in arrays["fps"])
    width, height = (int(n) for n in arrays["frame_size"])
    return ClipKeypoints(
        keypoints=arrays["keypoints"].astype(np.float32, copy=False),
        z=arrays["z"].astype(np.float32, copy=False),
        valid=arrays["valid"].astype(np.bool_, copy=False),
        time_s=arrays["time_s"].astype(np.float64, copy=False),
        crop_box=arrays["crop_box"].astype(np.int32, copy=False),
        crop_source=arrays["crop_source"].astype(np.uint8, copy=False),
        layout=str(arrays["layout"]),
        frame_size=(width, height),
        fps=Fraction(numerator, denominator) if numerator else None,
        source=json.loads(str(arrays["source"])),
        estimator=json.loads(str(arrays["estimator"])),
        schema=int(arrays["schema"]),
    )


def _check_shapes(clip: ClipKeypoints, path: Path) -> None:
    frames, points = len(clip), len(get_layout(clip.layout))
    expected = {
        "keypoints": (frames, points, 3), "z": (frames, points), "valid": (frames, points),
        "time_s": (frames,), "crop_box": (3, frames, 4), "crop_source": (3, frames),
    }  # fmt: skip
    for name, shape in expected.items():
        array = getattr(clip, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise InputError(
                f"clip {path.stem}: `{name}` should be finite and of shape {shape} for "
                f"{clip.layout}, found {array.shape}",
                where=str(path), hint=extract_hint(path),
            )  # fmt: skip


def _bare_array(arrays: dict[str, Any], path: Path) -> npt.NDArray[Any]:
    if "keypoints" in arrays:
        return np.asarray(arrays["keypoints"])
    if len(arrays) == 1:
        return np.asarray(next(iter(arrays.values())))
    raise InputError(
        f"expected an array `keypoints`, found {', '.join(arrays) or 'none'}",
        where=str(path), hint=extract_hint(path),
    )  # fmt: skip


def _from_bare_array(array: npt.NDArray[Any], path: Path) -> ClipKeypoints:
    """x, y [, z], [confidence]: z only where four channels are given."""
    layout = layout_with(array.shape[1]) if array.ndim == 3 else None
    if layout is None or array.shape[2] not in (2, 3, 4) or array.dtype.kind not in "fiu":
        sizes = ", ".join(f"{len(get_layout(name))} ({name})" for name in LAYOUTS)
        raise InputError(
            f"clip {path.stem}: expected numbers of shape (T, V, 2 to 4) with V one of {sizes}; "
            f"found {array.dtype} {array.shape}",
            where=str(path), hint=extract_hint(path),
        )  # fmt: skip
    frames, points, channels = array.shape
    finite = np.isfinite(array).all(axis=2)
    clean = np.where(finite[..., None], array, 0).astype(np.float32)
    confidence = clean[..., -1] if channels > 2 else np.ones((frames, points), np.float32)
    valid = finite & (confidence > 0) & clean[..., :2].any(axis=2)
    keypoints = np.dstack([clean[..., :2], confidence]) * valid[..., None]
    return ClipKeypoints(
        keypoints=keypoints.astype(np.float32),
        z=clean[..., 2] * valid if channels == 4 else np.zeros((frames, points), np.float32),
        valid=valid,
        time_s=np.arange(frames) / ASSUMED_FPS,
        crop_box=np.zeros((3, frames, 4), np.int32),
        crop_source=np.ones((3, frames), np.uint8),
        layout=layout.name,
        frame_size=(1, 1),
        fps=None,
        source={"name": path.name},
        estimator={},
    )
