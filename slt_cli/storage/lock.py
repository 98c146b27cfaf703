"""One writer per folder: a lock file that names its owner and outlives no process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slt_cli.errors import UsageError


@contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder/.lock` while the body runs; a second process is refused and told who holds it.

    The kernel drops the lock with its process, so a crash leaves nothing to clean up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            owner = handle.read().strip() or "another process"
            raise UsageError(
                f"{what} is in use by {owner}",
                where=str(folder),
                hint="wait for it to end, or choose another folder",
            ) from error
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        handle.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
