"""Stdout is for results only: native libraries and stray prints are kept off it."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO


def own_streams(debug: bool) -> int:
    """Bind `sys.stdout` and `sys.stderr` to private copies of fds 1 and 2, UTF-8.

    From then on whatever native code and child processes write to fds 1 and 2 lands in a hidden
    log, or with `debug` on stderr. Returns the log's file descriptor.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # started with a stream closed: its number must not be taken by another file
    os.close(fd)
    sys.stdout = _private(sys.stdout, 1)
    sys.stderr = _private(sys.stderr, 2)
    noise = sys.stderr.fileno() if debug else _hidden_file()
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    return noise


class StdoutError(Exception):
    """The result cannot be delivered: the reader left, or the device is full."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause.strerror)
        self.reader_left = isinstance(cause, BrokenPipeError)


class _Stdout(io.FileIO):
    """Errors of this file are told apart from all other errors of the operating system."""

    def write(self, data: Any) -> int:
        """Write, or raise `StdoutError`."""
        try:
            return super().write(data)
        except OSError as error:
            raise StdoutError(error) from error


class _Stderr(io.FileIO):
    """A file that loses what it cannot write: a full or closed stderr must not end a run."""

    def write(self, data: Any) -> int:
        """Write, or drop."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _private(stream: TextIO | None, fd: int) -> TextIO:
    if stream is not None:
        stream.flush()
    raw = (_Stdout if fd == 1 else _Stderr)(os.dup(fd), "w")
    return io.TextIOWrapper(
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=raw.isatty() or fd == 2
    )


def _hidden_file() -> int:
    """A file without a name, which cannot be left behind; nothing where none can be made."""
    try:
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError:
        return os.open(os.devnull, os.O_RDWR)


def keep_log(noise: int | None, text: str) -> Path | None:
    """Save the hidden log, and `text` after it, as a file that the user can read.

    Returns None where no temporary file can be made.
    """
    try:
        fd, name = tempfile.mkstemp(prefix="slt-", suffix=".log")
        with open(fd, "wb") as log:
            if noise is not None:
                os.lseek(noise, 0, os.SEEK_SET)
                while block := os.read(noise, 1 << 20):
                    log.write(block)
            log.write(text.encode("utf-8", "backslashreplace"))
    except OSError:
        return None
    return Path(name)
