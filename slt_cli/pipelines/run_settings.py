"""The settings a run keeps in its checkpoints and its `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from slt_cli.errors import InputError
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.builders import ModelShape

SECTIONS = ("data", "model", "optim", "training")
"""What shapes a training run; the other sections belong to other commands."""


def stored_settings(settings: Settings) -> dict[str, Any]:
    """The sections of a run in JSON form."""
    tree = settings.model_dump(mode="json")
    return {section: tree[section] for section in SECTIONS}


def settings_of(payload: Mapping[str, Any], path: Path) -> Settings:
    """Settings from a checkpoint. Raises `InputError` when another version of slt wrote them."""
    try:
        return Settings.model_validate(payload["settings"])
    except (ValidationError, KeyError) as error:
        problems = error.errors() if isinstance(error, ValidationError) else []
        keys = ", ".join(".".join(map(str, problem["loc"])) for problem in problems) or "settings"
        raise _of_another_version(payload, path, keys) from error


def shape_of(payload: Mapping[str, Any], path: Path) -> ModelShape:
    """Shape of a translator from its checkpoint.

    Raises `InputError` when a version of slt wrote it whose models were other ones.
    """
    from slt_cli.builders import ModelShape

    missing = {"decoder", "shape"} - payload.keys()
    if missing:
        raise _of_another_version(payload, path, ", ".join(sorted(missing)))
    try:
        return ModelShape(**payload["shape"])
    except TypeError as error:
        raise _of_another_version(payload, path, "shape") from error


def _of_another_version(payload: Mapping[str, Any], path: Path, keys: str) -> InputError:
    return InputError(
        f"the checkpoint does not fit this version of slt ({keys}); it was written by slt "
        f"{payload.get('version', 'unknown')}",
        where=str(path), hint="install that version, or train again",
    )  # fmt: skip
