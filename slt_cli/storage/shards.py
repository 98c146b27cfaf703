"""Tar files whose bytes depend on their content only, and the removal of what they replace."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from slt_cli.storage.atomic import _kill_point, atomic_path


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs as a plain tar, whole or not at all.

    Nothing but the pairs gets into the file: owner, date and mode are always the same. Members are
    taken one at a time, so a tar may be larger than memory. Raises `OutOfResources` on a full disk.
    """
    with (
        atomic_path(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files one by one, in this order."""
    for path in paths:
        _kill_point()
        path.unlink(missing_ok=True)
    _kill_point()
