"""Named starting points: `presets/<name>.yaml`, first line `# <verb>: <what it is for>`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from slt_cli.errors import UsageError

FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Preset:
    """A preset's name, the verb it is meant for and one sentence about it."""

    name: str
    verb: str
    summary: str
    path: Path


def list_presets(verb: str | None = None) -> list[Preset]:
    """All presets in name order, or those of one verb."""
    presets = [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]
    return [preset for preset in presets if verb in (None, preset.verb)]


def find_preset(name: str) -> Path:
    """File of the preset called `name`; `_` and `-` are the same.

    Raises `UsageError` that lists the presets and the nearest name.
    """
    wanted = name.replace("_", "-")
    path = FOLDER / f"{wanted}.yaml"
    names = [preset.name for preset in list_presets()]
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1)
        raise UsageError(
            f"unknown preset {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
            where="--preset",
            hint=f"slt presets list   (there are: {', '.join(names)})",
        )
    return path


def _read(path: Path) -> Preset:
    with path.open(encoding="utf-8") as handle:
        header = handle.readline().lstrip("# ").strip()
    verb, _, summary = header.partition(":")
    return Preset(path.stem, verb.strip(), summary.strip(), path)
