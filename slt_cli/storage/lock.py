"""One writer per folder: a lock file that names its owner and outlives no process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from slt_cli.errors import UsageError
from slt_cli.storage.atomic import disk_errors


@contextmanager
def folder_lock(folder: Path, what: str, name: str = ".lock") -> Iterator[None]:
    """Hold `folder/name` while the body runs; a second process is refused and told who holds it.

    The kernel drops the lock with its process, so a crash leaves nothing to clean up.
    """
    path = folder / name
    with disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat())
        except BlockingIOError:
            ours = False
        if not ours:  # held, or released and removed between our open and our lock
            raise UsageError(
                f"{what} is in use by {_owner(handle)}",
                where=str(folder),
                hint="wait for it to end, or choose another folder",
            )
        with disk_errors(path):
            handle.truncate(0)
            handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            handle.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _owner(handle: TextIO) -> str:
    handle.seek(0)
    try:
        owner = json.loads(handle.read())
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
