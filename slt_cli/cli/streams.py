"""Stdout is for results only: native libraries and stray prints are kept off it."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO


def own_streams() -> None:
    """Bind `sys.stdout` and `sys.stderr` to private copies of fds 1 and 2, UTF-8, never failing.

    Afterwards fds 1 and 2 can be pointed elsewhere without losing the terminal.
    """
    sys.stdout = _private(sys.stdout, 1)
    sys.stderr = _private(sys.stderr, 2)


def _private(stream: TextIO | None, fd: int) -> TextIO:
    if stream is not None:
        stream.flush()
    try:
        copy = os.dup(fd)
    except OSError:  # started with the descriptor closed
        copy = os.open(os.devnull, os.O_WRONLY)
    raw = io.FileIO(copy, "w")
    return io.TextIOWrapper(
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=raw.isatty() or fd == 2
    )


def open_log() -> tuple[int, Path | None]:
    """Open the log that takes native noise: a temporary file, or nothing where none can be made."""
    try:
        fd, name = tempfile.mkstemp(prefix="slt-", suffix=".log")
        return fd, Path(name)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY), None


@contextmanager
def native_noise_to(fd: int) -> Iterator[None]:
    """While the body runs, whatever writes to fds 1 and 2 lands in `fd`; prints go to stderr."""
    saved = [(target, os.dup(target)) for target in (1, 2)]
    for target, _ in saved:
        os.dup2(fd, target)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        for target, copy in saved:
            os.dup2(copy, target)
            os.close(copy)
