"""From what the user names to a list of videos, each with the id of its clip."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from slt_cli.errors import UsageError
from slt_cli.video.probe import missing_path

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".wmv", ".flv", ".3gp", ".ogv", ".gif",
)  # fmt: skip
"""Endings by which videos are found in a folder; a file named directly may have any."""


def find_videos(inputs: Sequence[str | Path]) -> list[tuple[str, Path]]:
    """(clip id, path) of every video: files as named, folders by their direct content, sorted.

    The same file named twice is listed once. Raises `UsageError` for missing paths (with names
    that look alike), folders without videos, and two files that would become the same clip.
    """
    if not inputs:
        raise UsageError("no video given", hint="slt extract video.mp4, or a folder of videos")
    found: dict[Path, Path] = {}
    for path in _expanded(map(Path, inputs)):
        found.setdefault(path.resolve(), path)
    by_id: dict[str, tuple[str, Path]] = {}
    for path in found.values():
        video_id = clip_id(path)
        # Some file systems do not tell capital letters from small ones.
        other = by_id.setdefault(video_id.casefold(), (video_id, path))
        if other[1] is not path:
            raise UsageError(
                f"{other[1]} and {path} would both become the clip {video_id}",
                hint="rename one of them, or extract them into different corpora",
            )
    return list(by_id.values())


def clip_id(path: Path) -> str:
    """The clip's id: the file's stem in NFC, without bytes or marks that tables cannot hold."""
    stem = path.stem.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    clean = "".join("_" if unicodedata.category(c) == "Cc" else c for c in stem)
    return unicodedata.normalize("NFC", clean).strip() or "_"


def _expanded(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if not path.exists():
            raise missing_path(path)
        if not path.is_dir():
            yield path
            continue
        videos = sorted(p for p in path.iterdir() if _is_video(p))
        if not videos:
            raise UsageError(
                "the folder holds no video", where=str(path),
                hint="name the files, or the folder they are in (subfolders are not searched)",
            )  # fmt: skip
        yield from videos


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
