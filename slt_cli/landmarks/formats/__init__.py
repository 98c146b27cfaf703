"""Landmarks that others found, read from whatever their tools write."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.synthetic import SIDECAR
from slt_cli.landmarks.formats.arrays import read_array_track
from slt_cli.landmarks.formats.keypoint_pickle import (
    read_keypoint_pickle,
    read_pickle_annotations,
)
from slt_cli.landmarks.formats.openpose_json import is_openpose_folder, read_openpose_folder
from slt_cli.landmarks.formats.pose_tracks import read_pose_track
from slt_cli.landmarks.formats.track import ClipAnnotation, Known, LandmarkTrack
from slt_cli.storage.unpickle import looks_pickled

SUFFIXES = (".pose", ".npy", ".npz", ".pkl", ".pickle")
"""Endings of landmark files; pickles of split names are told by their content."""
_MAYBE_PICKLES = (".train", ".dev", ".val", ".test", ".gz")


def is_landmark_source(path: Path) -> bool:
    """Whether a path looks like landmarks rather than a video.

    That is a file with one of `SUFFIXES`, a pickle called `.train`, `.dev`, `.test` or `.gz`, or a
    folder of OpenPose's JSON files. The landmarks beside rendered videos belong to those and do not
    count.
    """
    if path.is_dir():
        return is_openpose_folder(path)
    suffix = path.suffix.lower()
    if path.name.endswith(SIDECAR):
        return False
    return suffix in SUFFIXES or (suffix in _MAYBE_PICKLES and looks_pickled(path))


def read_tracks(
    path: Path, *, frame_size: tuple[int, int] | None = None, fps: Fraction | None = None
) -> Iterator[tuple[str, LandmarkTrack]]:
    """(clip id, track) of every clip in a landmark file or folder, told by its content.

    `frame_size` (width, height) and `fps` are used where the format does not tell them. Raises
    `InputError` for what is damaged, unknown or hostile; nothing in a file is ever executed.
    """
    known = Known(frame_size, fps)
    kind = _kind(path)
    if kind == "folder":
        yield from read_openpose_folder(path, known)
    elif kind == "pickle":
        yield from read_keypoint_pickle(path, known)
    elif kind == "arrays":
        yield path.stem, read_array_track(path, known)
    else:
        yield path.stem, read_pose_track(path)


def read_annotations(path: Path) -> list[ClipAnnotation]:
    """Texts, glosses and signers that a pickle carries; nothing for other formats."""
    return read_pickle_annotations(path) if _kind(path) == "pickle" else []


def _kind(path: Path) -> str:
    if path.is_dir():
        if is_openpose_folder(path):
            return "folder"
        raise InputError(
            "the folder holds no landmarks: CLIP_000000000000_keypoints.json files are expected",
            where=str(path), hint="name a file, or a folder written by OpenPose",
        )  # fmt: skip
    try:
        with path.open("rb") as handle:
            head = handle.read(64)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if not head:
        raise InputError("the file is empty", where=str(path), hint="download or copy it again")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(
            "no landmarks (looks like HTML)", where=str(path),
            hint="open it in a browser: it may say why",
        )  # fmt: skip
    if head.startswith((b"\x93NUMPY", b"PK")):
        return "arrays"
    if path.suffix.lower() in (".npy", ".npz"):
        return "arrays"  # which says what is wrong with it
    if looks_pickled(path) or path.suffix.lower() in (".pkl", ".pickle"):
        return "pickle"
    return "pose"
