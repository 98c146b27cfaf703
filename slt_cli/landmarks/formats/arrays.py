"""Landmarks from `.npy` and `.npz`: this project's clip files, and bare arrays."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.track import (
    UNKNOWN_SIZE,
    Known,
    LandmarkTrack,
    size_from_extent,
    track_from_pixels,
)
from slt_cli.landmarks.layouts import LAYOUTS, get_layout, layout_with

SCHEMA = 1
"""Newest schema of clip files that is read here."""
# What reading a zip raises when its tables are wrong: encryption and compression flags included.
_DAMAGE = (
    ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip
_FRACTIONS = 2.0  # coordinates up to here are fractions of the picture, larger ones pixels


def read_array_track(path: Path, known: Known) -> LandmarkTrack:
    """Read a clip file, or a bare array (T, V, 2 to 4) of x, y [, z], [confidence].

    Coordinates of bare arrays are fractions of the picture, or pixels when any is above 2; their
    picture size is taken from `known`, else from how far they reach. Raises `InputError` for what
    is damaged, holds Python objects, or fits no layout.
    """
    arrays = _load(path)
    if "schema" in arrays:
        return _clip_file(arrays, path)
    return bare_track(_only_array(arrays, path), path, known, file_format=path.suffix.lower())


def bare_track(
    array: npt.NDArray[Any],
    path: Path,
    known: Known,
    *,
    file_format: str,
    notes: tuple[str, ...] = (),
) -> LandmarkTrack:
    """A track from a bare array (T, V, 2 to 4); see `read_array_track`."""
    layout = layout_with(array.shape[1]) if array.ndim == 3 else None
    fits = array.ndim == 3 and array.shape[2] in (2, 3, 4) and array.dtype.kind in "fiu"
    if layout is None or not fits or not len(array):
        sizes = ", ".join(f"{len(get_layout(name))} ({name})" for name in LAYOUTS)
        raise InputError(
            f"expected numbers of shape (T, V, 2 to 4) with V one of {sizes}; found "
            f"{array.dtype} {array.shape}",
            where=str(path), hint="store one array `keypoints` per clip",
        )  # fmt: skip
    numbers = array.astype(np.float32)
    channels = numbers.shape[2]
    confidence = numbers[..., -1] if channels > 2 else numbers.any(axis=2).astype(np.float32)
    xyz = np.zeros((*numbers.shape[:2], 3), np.float32)
    depth = channels == 4
    xyz[..., : 2 + depth] = numbers[..., : 2 + depth]
    confidence = confidence * numbers[..., :2].any(axis=2)
    size, more = _picture(xyz, confidence, known)
    track = track_from_pixels(
        xyz, confidence, layout.name, size, known.fps, file_format=file_format,
        notes=(*notes, *more),
    )  # fmt: skip
    return replace(track, frame_size=known.frame_size or size)


def _picture(
    xyz: npt.NDArray[Any], confidence: npt.NDArray[Any], known: Known
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Picture size by which the coordinates are divided, and what had to be assumed for it."""
    valid = np.isfinite(xyz).all(axis=2) & (confidence > 0)
    if not valid.any() or np.abs(xyz[valid][:, :2]).max() <= _FRACTIONS:
        return UNKNOWN_SIZE, ()
    if known.frame_size:
        return known.frame_size, ()
    size = size_from_extent(xyz[..., :2], valid)
    return size, (f"picture size unknown: {size[0]} x {size[1]} reaches to every point",)


def _load(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGE as error:
        reason = "damaged, incomplete, or no array file"
        if _is_array_file(path) and "pickle" in str(error).lower():
            reason = "refused: it holds Python objects; nothing in it was executed"
        raise InputError(
            reason, where=str(path), hint="download or copy the file again"
        ) from error  # fmt: skip


def _is_array_file(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(6).startswith((b"\x93NUMPY", b"PK"))


def _only_array(arrays: dict[str, npt.NDArray[Any]], path: Path) -> npt.NDArray[Any]:
    if "keypoints" in arrays:
        return arrays["keypoints"]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    names = list(arrays)
    found = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise InputError(
        f"expected an array `keypoints`, found {found or 'none'}",
        where=str(path), hint="store one clip per file",
    )  # fmt: skip


def _clip_file(arrays: dict[str, npt.NDArray[Any]], path: Path) -> LandmarkTrack:
    """A clip file as this project writes it, with its own times and estimator."""
    try:
        if int(arrays["schema"]) > SCHEMA:
            raise InputError(
                f"written by a newer slt (schema {arrays['schema']}, this one reads {SCHEMA})",
                where=str(path), hint="upgrade slt",
            )  # fmt: skip
        keypoints, valid = arrays["keypoints"], arrays["valid"].astype(np.bool_)
        layout = get_layout(str(arrays["layout"]))
        frames, points = len(keypoints), len(layout)
        shapes = {
            "keypoints": (frames, points, 3), "z": (frames, points), "valid": (frames, points),
            "time_s": (frames,),
        }  # fmt: skip
        wrong = [n for n, shape in shapes.items() if arrays[n].shape != shape]
        if wrong or not frames:
            raise ValueError(f"{', '.join(wrong) or 'keypoints'}: wrong shape for {layout.name}")
        numerator, denominator = map(int, arrays["fps"])
        width, height = map(int, arrays["frame_size"])
        numbers = np.dstack([keypoints, arrays["z"]]).astype(np.float32)
        valid &= np.isfinite(numbers).all(axis=2)
        numbers[~valid] = 0
        return LandmarkTrack(
            points=numbers[..., [0, 1, 3]],
            confidence=numbers[..., 2],
            valid=valid,
            time_s=arrays["time_s"].astype(np.float64),
            layout=layout.name,
            frame_size=(width, height),
            fps=Fraction(numerator, denominator) if numerator else None,
            file_format=f"slt clip file {SCHEMA}",
            estimator=json.loads(str(arrays["estimator"])),
            is_timed=True,
        )
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise InputError(
            f"a part is missing or cannot be read ({error})", where=str(path),
            hint="extract the clip again",
        ) from error  # fmt: skip
