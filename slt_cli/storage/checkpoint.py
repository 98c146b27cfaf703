"""Checkpoints: one self-contained file, written whole or not at all, readable without pickle."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError
from slt_cli.storage.atomic import atomic_path

SCHEMA = 1
# What reading a zip raises when its tables are wrong: encryption and compression flags included.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)


_DOS_FOLDER = 0x10


def save_checkpoint(path: Path, payload: dict[str, Any]) -> None:
    """Write tensors and plain values to `path`; the previous file stays until this one verifies.

    Raises `OutOfResources` on a full disk; `path` then still holds what it held before.
    """
    import torch

    with atomic_path(path) as temporary:
        torch.save({"schema": SCHEMA, **payload}, temporary)
        _verify(temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without executing anything in it.

    Raises `InputError` when the file is missing, cut, altered (zip CRC), hostile or not ours.
    """
    import torch

    if not path.is_file():
        raise InputError("checkpoint not found", where=str(path), hint="slt train --help")
    _verify(path)
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            "refused: the file holds more than tensors and plain values "
            f"({_globals(path, error)}). Nothing in it was executed; there is no unsafe fallback.",
            where=str(path),
            hint="export the weights again as a plain state dict",
        ) from error
    if not isinstance(payload, dict):
        raise InputError("not a checkpoint: the file holds no mapping", where=str(path))
    schema = payload.get("schema", 0)  # absent in weights that others published
    if not isinstance(schema, int) or schema > SCHEMA:
        raise InputError(
            f"written by a newer slt (schema {schema}, this one reads {SCHEMA})",
            where=str(path),
            hint="upgrade slt",
        )
    return payload


def _verify(path: Path) -> None:
    """Check the CRC of every member: torch itself loads a file with flipped bytes silently."""
    try:
        with zipfile.ZipFile(path) as archive:
            # A member marked as a folder has no checksum to fail, and torch reads nothing for it.
            folders = (i.filename for i in archive.infolist() if i.external_attr & _DOS_FOLDER)
            damaged = archive.testzip() or next(folders, None)
    except _DAMAGE as error:
        raise InputError(
            f"damaged or incomplete checkpoint ({_first_line(error)})",
            where=str(path),
            hint="use another checkpoint of the run, such as best.pt",
        ) from error
    if damaged:
        raise InputError(
            f"damaged checkpoint: {damaged} fails its checksum",
            where=str(path),
            hint="use another checkpoint of the run, such as best.pt",
        )


def _globals(path: Path, error: Exception) -> str:
    """The classes and functions the file asks for, listed without calling them."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        return ", ".join(get_unsafe_globals_in_checkpoint(path)) or _first_line(error)
    except Exception:
        return _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
