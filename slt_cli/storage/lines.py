"""Plain text that grows line by line, such as the log of a run."""

from __future__ import annotations

import os
from pathlib import Path

from slt_cli.storage.atomic import disk_errors


def append_line(path: Path, line: str) -> None:
    """Append one line of UTF-8 text in one write; `tail -f` on the file keeps working.

    Nothing is forced to the disk: a log may lose its last lines when the machine stops. Raises
    `OutOfResources` on a full disk.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(file, f"{line}\n".encode("utf-8", "backslashreplace"))
        finally:
            os.close(file)
