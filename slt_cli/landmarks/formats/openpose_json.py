"""Landmarks from a folder of OpenPose's `<clip>_000000000000_keypoints.json`, one per frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks import layout_tables as tables
from slt_cli.landmarks.formats.track import (
    Known,
    LandmarkTrack,
    size_from_extent,
    track_from_pixels,
)
from slt_cli.landmarks.layouts import get_layout

LAYOUT = "openpose_137"
SUFFIX = "_keypoints.json"
_NAME = re.compile(r"(?:(?P<clip>.*)_)?(?P<number>\d+)_keypoints\.json")
_SPARSE = 100  # frames per file from which the numbers cannot be those of frames
# OpenPose's older body model of 18 points, by the names of BODY_25.
_BODY_18 = """
NOSE NECK RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST RIGHT_HIP
RIGHT_KNEE RIGHT_ANKLE LEFT_HIP LEFT_KNEE LEFT_ANKLE RIGHT_EYE LEFT_EYE RIGHT_EAR LEFT_EAR
"""
_PARTS = {
    "pose_keypoints": ("POSE", (tables.POSE_25.split(), _BODY_18.split())),
    "face_keypoints": ("FACE", ([str(i) for i in range(70)],)),
    "hand_left_keypoints": ("LEFT_HAND", (tables.HAND_21.split(),)),
    "hand_right_keypoints": ("RIGHT_HAND", (tables.HAND_21.split(),)),
}


def is_openpose_folder(path: Path) -> bool:
    """Whether a folder holds OpenPose's files."""
    return path.is_dir() and next(path.glob(f"*{SUFFIX}"), None) is not None


def read_openpose_folder(path: Path, known: Known) -> Iterator[tuple[str, LandmarkTrack]]:
    """(clip, track) of every clip in the folder; usually it is one.

    Frames follow the numbers of the files; those without a file or a person are missing. Of several
    people in a frame the one with the highest confidence is taken. The files do not tell the
    picture's size and frame rate: they come from `known`, else the size is how far the points
    reach. Raises `InputError` for files that are damaged or hold other models' points.
    """
    clips: dict[str, dict[int, Path]] = {}
    for file in sorted(path.glob(f"*{SUFFIX}")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise InputError(
                "the name does not tell the frame: CLIP_000000000000_keypoints.json is expected",
                where=str(file), hint="rename the files like OpenPose does",
            )  # fmt: skip
        clips.setdefault(match["clip"] or path.name, {})[int(match["number"])] = file
    for clip, files in clips.items():
        track = _track(files, path, known)
        yield clip, replace(track, member=clip) if len(clips) > 1 else track


def _track(files: Mapping[int, Path], folder: Path, known: Known) -> LandmarkTrack:
    first, count = min(files), max(files) - min(files) + 1
    if count > _SPARSE * len(files):
        raise InputError(
            f"{len(files)} files are numbered from {first} to {max(files)}: those are no frames",
            where=str(folder), hint="number the files by frames, without large gaps",
        )  # fmt: skip
    frames = np.zeros((count, len(get_layout(LAYOUT)), 3), np.float32)
    several = 0
    for number, file in files.items():
        people = [_person(person, file) for person in _people(file)]
        several += len(people) > 1
        if people:
            frames[number - first] = max(people, key=lambda person: float(np.nansum(person[:, 2])))
    notes = []
    if count > len(files):
        notes.append(f"{count - len(files)} of {count} frames have no file and are missing")
    if several:
        notes.append(f"several people in {several} frames: the most confident of each was kept")
    confidence = frames[..., 2]
    size = known.frame_size
    if size is None:
        valid = np.isfinite(frames).all(axis=2) & (confidence > 0)
        size = size_from_extent(frames[..., :2], valid)
        notes.append(f"picture size unknown: {size[0]} x {size[1]} reaches to every point")
    xyz = np.dstack([frames[..., :2], np.zeros_like(confidence)])
    return track_from_pixels(
        xyz, confidence, LAYOUT, size, known.fps, file_format="OpenPose JSON", notes=tuple(notes)
    )  # fmt: skip


def _people(file: Path) -> Sequence[Mapping[str, Any]]:
    try:
        content = json.loads(file.read_bytes())
        people = content["people"]
        if not all(isinstance(person, dict) for person in people):
            raise TypeError("people are no objects")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"not a file of OpenPose ({type(error).__name__}: {error})", where=str(file),
            hint="run OpenPose with --write_json again",
        ) from error  # fmt: skip
    found: Sequence[Mapping[str, Any]] = people
    return found


def _person(person: Mapping[str, Any], file: Path) -> npt.NDArray[np.float32]:
    """x, y, confidence of one person (V, 3), zero where a part was not looked for."""
    layout = get_layout(LAYOUT)
    points = np.zeros((len(layout), 3), np.float32)
    for key, (component, models) in _PARTS.items():
        numbers = person.get(f"{key}_2d", person.get(key)) or []
        if not numbers:
            continue
        names = next((names for names in models if len(numbers) == 3 * len(names)), None)
        if names is None:
            expected = " or ".join(str(3 * len(names)) for names in models)
            raise InputError(
                f"{key}_2d: {expected} numbers expected, {len(numbers)} found", where=str(file),
                hint="run OpenPose with the model BODY_25",
            )  # fmt: skip
        try:
            found = np.array(numbers, np.float32).reshape(-1, 3)
        except (ValueError, TypeError) as error:
            raise InputError(f"{key}_2d: not numbers ({error})", where=str(file)) from error
        points[[layout.index(f"{component}.{name}") for name in names]] = found
    return points
