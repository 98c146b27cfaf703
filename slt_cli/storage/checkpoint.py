"""Checkpoints: one self-contained file, written whole or not at all, readable without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError
from slt_cli.storage.atomic import atomic_path

SCHEMA = 1


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
    except Exception as error:
        raise InputError(
            f"refused: the file holds more than tensors and plain values ({_first_line(error)}). "
            "Nothing in it was executed, and there is no unsafe fallback.",
            where=str(path),
            hint="export the weights again as a plain state dict",
        ) from error
    if not isinstance(payload, dict):
        raise InputError("not a checkpoint: the file holds no mapping", where=str(path))
    if int(payload.get("schema", 0)) > SCHEMA:
        raise InputError(
            f"written by a newer slt (schema {payload['schema']}, this one reads {SCHEMA})",
            where=str(path),
            hint="upgrade slt",
        )
    return payload


def _verify(path: Path) -> None:
    """Check the CRC of every member: torch itself loads a file with flipped bytes silently."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError) as error:
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
