"""From what the user names to a list of sources, each with the id of its clip."""

from __future__ import annotations

import glob
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from slt_cli.errors import InputError, UsageError
from slt_cli.landmarks.formats import is_landmark_source
from slt_cli.storage.atomic import stage_stream
from slt_cli.video.frames_folder import is_frames_folder
from slt_cli.video.probe import VIDEO_SUFFIXES, missing_path

LANDMARK_SUFFIXES = (".pose",)
"""Landmark files found in a folder; others have to be named."""
_LONGEST_ID = 200  # bytes; `<id>_f000000.jpg` and temporary names must fit into 255


@dataclass(frozen=True)
class Source:
    """A video, a folder of pictures, or a file of landmarks."""

    video_id: str
    path: Path
    kind: Literal["video", "landmarks"] = "video"


@dataclass
class Inputs:
    """What was found, what was not, and what is worth a note."""

    sources: list[Source] = field(default_factory=list)
    missing: dict[str, UsageError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_sources(names: Sequence[str], *, leave_out: Path | None = None) -> Inputs:
    """Sources behind files, folders (searched with their subfolders) and patterns, sorted.

    The same file named twice is listed once. Nothing is taken from the folder `leave_out`. Raises
    `UsageError` for folders and patterns without a video, and for two files that would become the
    same clip; a file that does not exist is listed as missing.
    """
    if not names:
        raise UsageError("no video given", hint="slt extract video.mp4, or a folder of videos")
    inputs, found = Inputs(), dict[Path, Path]()
    for name in names:
        if not os.path.lexists(name) and not glob.has_magic(name):
            inputs.missing[_shown(name)] = missing_path(Path(name))
            continue
        for path in _expanded(name, leave_out):
            if not path.exists():
                inputs.missing[_shown(str(path))] = missing_path(path)
            elif found.setdefault(path.resolve(), path) != path:
                inputs.notes.append(f"{_shown(str(path))} is listed twice and read once")
    inputs.sources = _named(found.values())
    return inputs


def names_from(listing: str, *, null: bool) -> list[str]:
    """The entries of a list, one per line or NUL-separated; `-` is stdin. Names keep any bytes.

    Raises `UsageError` when the list is missing or empty.
    """
    if listing == "-":
        data = sys.stdin.buffer.read()
    else:
        path = Path(listing)
        if not path.is_file():
            raise missing_path(path)
        data = path.read_bytes()
    mark = b"\0" if null else b"\n"
    names = [os.fsdecode(entry if null else entry.rstrip(b"\r")) for entry in data.split(mark)]
    names = [name for name in names if name.strip()]
    if not names:
        raise UsageError("the list names no video", where=listing)
    return names


def spool_stdin(folder: Path) -> Path:
    """Copy the video on stdin into a file of the staging folder `folder`.

    Raises `InputError` when nothing comes.
    """
    path = folder / "stdin"
    stage_stream(path, sys.stdin.buffer)
    if not path.stat().st_size:
        raise InputError("nothing came from stdin", where="-", hint="slt extract - < video.mp4")
    return path


def clip_id(name: str) -> str:
    """A clip's id from a file's stem or a table's name: NFC, one part of a path, no odd marks.

    Bytes and marks that tables cannot hold are replaced; what is too long for a file name keeps
    its end, which tells clips of one video apart.
    """
    stem = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    clean = "".join("_" if unicodedata.category(c) == "Cc" or c in "/;" else c for c in stem)
    clean = unicodedata.normalize("NFC", clean).strip().lstrip(".") or "_"
    while len(clean.encode()) > _LONGEST_ID:
        clean = clean[1:]
    return clean


def member_id(name: str) -> str:
    """The id of one of many clips in a file: the last part of its name there (`train/<id>`)."""
    return clip_id(name.rstrip("/").rpartition("/")[2])


def source_id(path: Path) -> str:
    """The id of the clip made from a source: its stem; a folder of pictures `<id>/1` has `<id>`."""
    if path.is_dir():
        return clip_id(path.parent.name if path.name.isdigit() and path.parent.name else path.name)
    return clip_id(path.stem)


def _named(paths: Iterable[Path]) -> list[Source]:
    by_id: dict[str, Source] = {}
    for path in paths:
        video = path.suffix.lower() in VIDEO_SUFFIXES
        kind: Literal["video", "landmarks"] = (
            "landmarks" if not video and is_landmark_source(path) else "video"
        )
        source = Source(source_id(path), path, kind)
        # Some file systems do not tell capital letters from small ones.
        other = by_id.setdefault(source.video_id.casefold(), source)
        if other is not source:
            raise UsageError(
                f"{other.path} and {path} would both become the clip {source.video_id}",
                hint="rename one of them, or extract them into different corpora",
            )
    return list(by_id.values())


def _expanded(name: str, leave_out: Path | None) -> Iterable[Path]:
    path = Path(name)
    if not os.path.lexists(name):
        matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
        if not matches:
            raise UsageError("no file matches the pattern", where=name)
        return [p for match in matches for p in (_in_folder(match, leave_out) if match.is_dir()
                                                  else [match])]  # fmt: skip
    if not path.is_dir():
        return [path]
    found = list(_in_folder(path, leave_out))
    if not found:
        raise UsageError(
            "the folder holds no video", where=str(path),
            hint="name the files, or a folder of videos, numbered pictures or .pose files",
        )  # fmt: skip
    return found


def _in_folder(folder: Path, leave_out: Path | None) -> Iterator[Path]:
    """Videos of a folder and its subfolders, in order; a folder of numbered pictures is one."""
    if leave_out is not None and folder.resolve() == leave_out.resolve():
        return
    if is_frames_folder(folder) or _is_landmark_folder(folder):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _in_folder(path, leave_out)
        elif path.suffix.lower() in (*VIDEO_SUFFIXES, *LANDMARK_SUFFIXES):
            yield path


def _is_landmark_folder(folder: Path) -> bool:
    return next(folder.glob("*_keypoints.json"), None) is not None


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
