"""Landmarks from `.pose` files and back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.pose_file import PoseFile, parse_pose
from slt_cli.landmarks.formats.pose_layouts import Mapped, layout_components, map_components
from slt_cli.landmarks.formats.track import (
    UNKNOWN_SIZE,
    Bools,
    Floats,
    LandmarkTrack,
    rational_fps,
    size_from_extent,
    track_from_pixels,
)
from slt_cli.landmarks.layouts import Layout

DEFAULT_SIZE = (1000, 1000)
"""Picture size written for landmarks whose own is unknown, as pose-format does."""
_LEAST_CONFIDENCE = 1e-6  # in a .pose file 0 means missing
_STILL = 1e-3  # of the picture: less than any wrist moves over a clip
_TINY = 0.02  # of the picture: less than any body that was tracked in it


def read_pose_track(path: Path) -> LandmarkTrack:
    """Read a `.pose` file of version 0.0, 0.1 or 0.2 into a layout of this project.

    Points are found by name; those that the file lacks are missing. Of several people the one with
    the highest confidence is taken. Raises `InputError` for a damaged file or an unknown header.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    pose = parse_pose(data, str(path))
    if not len(pose.data):
        raise InputError("the .pose file holds no frame", where=str(path))
    mapped = map_components(pose.components, str(path))
    person, notes = _person(pose)
    notes += _facts(pose, mapped)
    xyz, confidence = _points(pose, person, mapped, str(path))
    valid = (confidence > 0) & np.isfinite(xyz).all(axis=2)
    width, height, _ = pose.size
    size = (width, height) if width and height else size_from_extent(xyz[..., :2], valid)
    if not (width and height):
        notes.append(f"no picture size in the file: {size[0]} x {size[1]} reaches to every point")
    notes += _normalised(xyz[..., :2] / np.array(size, np.float32), valid, mapped.layout)
    return track_from_pixels(
        xyz, confidence, mapped.layout.name, size, rational_fps(pose.fps),
        file_format=f".pose {pose.version:.1f}", notes=tuple(notes),
    )  # fmt: skip


def pose_of(
    points: Floats,
    confidence: Floats,
    valid: Bools,
    layout: Layout,
    frame_size: tuple[int, int],
    fps: Fraction,
) -> PoseFile:
    """Landmarks as the content of a `.pose` file of one person.

    Args:
        points: (T, V, 3) x and y in [0, 1] of the frame, and z, which is stored as it is.
        confidence: (T, V); stored as 0 where not `valid` (T, V), and above 0 elsewhere.
        frame_size: (width, height); (1, 1), for unknown, becomes 1000 x 1000.
    """
    width, height = DEFAULT_SIZE if frame_size == UNKNOWN_SIZE else frame_size
    components = layout_components(layout, with_depth=bool(points[..., 2].any()))
    dims = len(components[0].point_format) - 1
    pixels = np.array(points[..., :dims], np.float32)
    pixels[..., :2] *= np.array((width, height), np.float32)
    pixels[~valid] = 0
    stored = np.where(valid, np.maximum(confidence, _LEAST_CONFIDENCE), 0).astype(np.float32)
    return PoseFile(
        0.2, (width, height, 0), components, float(fps), pixels[:, None], stored[:, None]
    )  # fmt: skip


def _person(pose: PoseFile) -> tuple[int, list[str]]:
    """The person with the highest confidence over the clip, and a note when there are others."""
    people = pose.data.shape[1]
    total = np.nan_to_num(pose.confidence).sum(axis=(0, 2))
    chosen = int(total.argmax())
    if people == 1:
        return 0, []
    return chosen, [f"{people} people in the file: number {chosen + 1}, the most confident, kept"]


def _facts(pose: PoseFile, mapped: Mapped) -> list[str]:
    notes = []
    if pose.frames_recovered:
        notes.append(
            f"the header's frame count had overflowed: {len(pose.data)} frames by the file's size"
        )
    if pose.version < 0.2:
        notes.append(f"version {pose.version:.1f} keeps whole frames per second only")
    absent = len(mapped.layout) - len(mapped.points)
    if absent:
        notes.append(f"{absent} of {len(mapped.layout)} points are not in the file")
    if mapped.unknown:
        notes.append(f"{mapped.unknown} points of the file are not in {mapped.layout.name}")
    return notes


def _points(
    pose: PoseFile, person: int, mapped: Mapped, where: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Coordinates (T, V, 3) and confidence (T, V) in the order of the layout."""
    frames = len(pose.data)
    columns = np.concatenate(
        [np.tile(_axes(c.point_format, where), (len(c.points), 1)) for c in pose.components]
    )
    data, confidence = pose.data[:, person], pose.confidence[:, person]
    xyz = np.zeros((frames, len(mapped.layout), 3), np.float32)
    found = np.zeros(xyz.shape[:2], np.float32)
    for column, point in zip(mapped.columns, mapped.points, strict=True):
        for axis, channel in enumerate(columns[column]):
            if channel >= 0:
                xyz[:, point, axis] = data[:, column, channel]
        found[:, point] = confidence[:, column]
    return xyz, found


def _axes(point_format: str, where: str) -> list[int]:
    """Where x, y and z stand among the numbers of a point, -1 where there is none."""
    axes = [point_format[:-1].find(axis) for axis in "XYZ"]
    if min(axes[:2]) < 0:
        raise InputError(f"points of the format {point_format!r} have no X and Y", where=where)
    return axes


def _normalised(xy: npt.NDArray[Any], valid: Bools, layout: Layout) -> list[str]:
    """A note when the coordinates (T, V, 2) in units of the picture cannot come from one."""
    if not valid.any():
        return []
    for hand in ("LEFT_HAND", "RIGHT_HAND"):
        seen = valid[:, layout.index(f"{hand}.WRIST")]
        wrist = xy[seen][:, layout.index(f"{hand}.WRIST")]
        alone = not valid[:, list(layout.component("POSE"))].any()
        if alone and len(wrist) > 1 and np.ptp(wrist, axis=0).max() < _STILL:
            return [
                "the hand was normalised: its wrist stays at one place, so that the coordinates "
                "tell its shape but not where it was in the picture"
            ]
    spread = np.ptp(xy[valid], axis=0).max()
    inside = ((xy[valid] > -1) & (xy[valid] < 2)).all(axis=1).mean()
    if spread < _TINY or inside < 0.5:
        return ["the coordinates were normalised: they are no pixels of the header's picture"]
    return []
