"""The settings that a checkpoint carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slt_cli import __version__
from slt_cli.errors import InputError
from slt_cli.settings.root import Settings


def settings_of(payload: dict[str, Any], path: Path) -> Settings:
    """Settings of the run that wrote the checkpoint at `path`.

    Raises `InputError` when this version of `slt` does not know or allow them.
    """
    try:
        return Settings.model_validate(payload["settings"])
    except ValueError as error:
        writer = payload.get("version", "unknown")
        reason = " ".join(str(error).split()[:30])
        raise InputError(
            f"its settings are not those of slt {__version__} ({reason})", where=str(path),
            hint=f"use the slt that wrote it (version {writer}), or train again",
        ) from error  # fmt: skip
