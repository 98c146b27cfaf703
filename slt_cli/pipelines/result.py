"""What every pipeline returns, and how progress is reported to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slt_cli.errors import SltError

SCHEMA = 1
Report = Callable[..., None]
"""Called as `report(event, **facts)`; `done` and `total` among the facts make a progress bar."""


def silent(event: str, **facts: Any) -> None:
    """A `Report` for callers that do not watch."""


@dataclass
class Result:
    """Outcome of one command.

    `text` is what stdout receives without `--json`; `facts` holds the verb's own figures.
    """

    command: str
    status: str = "ok"
    exit_code: int = 0
    text: str = ""
    outputs: list[Path] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[SltError] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The `--json` object: the same keys for every command, success or failure."""
        return {
            "schema": SCHEMA,
            "command": self.command,
            "status": self.status,
            "exit_code": self.exit_code,
            "outputs": [str(path) for path in self.outputs],
            "counts": self.counts,
            "warnings": self.warnings,
            "errors": [error.as_dict() for error in self.errors],
            "facts": self.facts,
        }


@dataclass
class Plan:
    """What a command would do: shown by `--dry-run`, which writes nothing.

    `missing` lists what has to be there before the command can really run.
    """

    command: str
    steps: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_result(self, settings: dict[str, Any]) -> Result:
        """The plan as a `Result` with status `planned`; `settings` are the values that differ."""
        lines = [f"would {step}" for step in self.steps]
        lines += [f"missing: {item}" for item in self.missing]
        facts = {"steps": self.steps, "missing": self.missing, "settings": settings, **self.facts}
        return Result(self.command, "planned", 0, "\n".join(lines), facts=facts)
