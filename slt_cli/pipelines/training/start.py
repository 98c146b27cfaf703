"""Where a run begins: new, or exactly where an earlier one stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.run_settings import settings_of, shape_of
from slt_cli.settings.load import Loaded, flat_values
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.training.run_folder import RunFolder

FREE = frozenset(
    {
        "training.resume", "training.device", "training.allow_download", "data.work_dir",
        "data.num_workers", "data.pin_memory", "data.tokenizer_search_path",
        "data.tokenizer_local_files_only", "model.decoder_search_path",
        "model.decoder_local_files_only",
    }
)  # fmt: skip
"""Settings that a resumed run may change: they leave its weights what they would have been."""
_NOW = ("training.device", "data.num_workers", "data.pin_memory")  # of these, those that count


@dataclass(frozen=True)
class Start:
    """Settings of the run, the checkpoint that it goes on from (None: new), and what to tell."""

    settings: Settings
    payload: dict[str, Any] | None = None
    path: Path | None = None
    warnings: tuple[str, ...] = ()


def start_of(folder: RunFolder, loaded: Loaded) -> Start:
    """How the run in `folder` begins with these settings.

    Raises `UsageError` when a new run would fall on an old one, when there is nothing to resume, or
    when settings given now are not the run's; `InputError` when no checkpoint can be read or
    another version of slt wrote it.
    """
    if not loaded.settings.training.resume:
        folder.refuse_if_used()
        return Start(loaded.settings)
    found = folder.newest()
    payload = found.payload
    shape_of(payload, found.path)  # told before anything is built
    settings = settings_of(payload, found.path)
    _refuse_other_version(payload, found.path)
    _refuse_changes(loaded, settings, folder)
    now = flat_values(loaded.settings)
    for key in _NOW:
        if key in loaded.origins:
            section, name = key.split(".")
            payload["settings"][section][name] = now[key]
    lines = [f"not read: {line}" for line in found.refused]
    if lines:
        lines.append(f"going on from {found.path}")
    return Start(settings_of(payload, found.path), payload, found.path, tuple(lines))


def _refuse_changes(loaded: Loaded, settings: Settings, folder: RunFolder) -> None:
    now, then = flat_values(loaded.settings), flat_values(settings)
    changed = [k for k in loaded.origins if k in now and k not in FREE and now[k] != then[k]]
    if changed:
        lines = "".join(f"\n  {key}: {then[key]} -> {now[key]}" for key in changed)
        raise UsageError(
            f"a resumed run keeps its settings; these differ:{lines}", where=str(folder.path),
            hint="leave them out, or start a new run with --init-checkpoint",
        )  # fmt: skip


def _refuse_other_version(payload: dict[str, Any], path: Path) -> None:
    missing = {"clips", "processes", "scaler"} - payload.keys()
    if missing:
        raise InputError(
            f"slt {payload.get('version', 'unknown')} wrote this run, and this version cannot "
            f"continue it (no {', '.join(sorted(missing))})",
            where=str(path), hint="start a new run with --init-checkpoint",
        )  # fmt: skip
