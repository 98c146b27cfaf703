"""Reading array files that may be damaged, hostile or not array files at all."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError

Array = npt.NDArray[Any]


def load_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an `.npz`, or the one of an `.npy` under its file's stem.

    Raises `InputError` naming the clip when the file is missing, damaged or holds Python objects;
    nothing in it is ever executed.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise InputError("no such clip file", where=str(path), hint=extract_hint(path)) from None
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"clip {path.stem}: {_reason(path, error)}", where=str(path), hint=extract_hint(path)
        ) from error


def extract_hint(path: Path) -> str:
    """The command that makes the file at `path` anew."""
    return f"slt extract VIDEO -o {path.parent.parent} --overwrite (the video of {path.stem})"


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError | IsADirectoryError):
        return f"cannot be read ({error.strerror})"
    with path.open("rb") as handle:
        head = handle.read(512).lstrip().lower()
    if not head:
        return "the file is empty"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "not an array file (looks like HTML)"
    if isinstance(error, ValueError) and "pickle" in str(error).lower():
        return "refused: it holds Python objects or no arrays at all; nothing in it was executed"
    return "damaged or incomplete"
