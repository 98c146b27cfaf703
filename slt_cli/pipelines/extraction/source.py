"""The file that clips are made from, and the proof that it stayed the same meanwhile."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slt_cli.errors import InputError
from slt_cli.storage.hashes import sha256_file
from slt_cli.video.source import source_info

_LEAST_BYTES_PER_S = 1000  # a still picture takes more; a header that promises years is wrong
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class SourceFile:
    """A video file, a folder of pictures or a file of landmarks, with its content's hash."""

    path: Path
    sha256: str
    stamp: Stamp

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read and hash the file. Raises `InputError` when it cannot be read."""
        try:
            return cls(path, sha256_source(path), _stamp(path))
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error

    def check_unchanged(self) -> None:
        """Raise `InputError` when the file was written to since it was hashed."""
        if _stamp(self.path) != self.stamp:
            raise InputError("the file changed while it was read", where=str(self.path))

    @property
    def name(self) -> str:
        """The file's name as JSON can hold it, whatever bytes it has."""
        name = self.path.name.encode("utf-8", "surrogateescape")
        return name.decode("utf-8", "backslashreplace")


def sha256_source(path: Path) -> str:
    """Hash of a file, or of the names and contents of a folder's files."""
    if not path.is_dir():
        return sha256_file(path)
    digest = hashlib.sha256()
    for part in _files(path):
        digest.update(f"{part.name}\0{sha256_file(part)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _stamp(path: Path) -> Stamp:
    stats = ((part.name, part.stat()) for part in _files(path))
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def duration_s(path: Path, frames_fps: float) -> float | None:
    """How long a video or a folder of pictures lasts, as far as its header can be believed.

    Raises `InputError` for what is not a video.
    """
    seconds = source_info(path, frames_fps=frames_fps).duration_s
    if seconds is None or path.is_dir() or seconds * _LEAST_BYTES_PER_S <= path.stat().st_size:
        return seconds
    return None
