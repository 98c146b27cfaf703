"""`logs/train.log`: what a run was, epoch by epoch, in plain lines with times."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from slt_cli.storage.lines import append_line

_LOGGED = {"note", "warning", "model", "epoch"}


class RunLog:
    """A `Report` that passes everything on and writes the lasting part of it to a file."""

    def __init__(self, path: Path, report: Callable[..., None]) -> None:
        self.path, self._report = path, report

    def __call__(self, event: str, **facts: Any) -> None:
        """Pass one event on; notes, warnings, the model and the epochs are also written."""
        self._report(event, **facts)
        if event in _LOGGED:
            self.line(event, **facts)

    def begin(self, config: Mapping[str, Any], resumed_from: Path | None = None) -> None:
        """Write how the run was made: `config` is what `config.json` holds."""
        self.line("begin" if resumed_from is None else "resume", **{
            "slt": config.get("slt"), "torch": config.get("torch"),
            "preset": config.get("preset"), "from": resumed_from,
        })  # fmt: skip
        for key, told in config.get("overrides", {}).items():
            value = told["value"]
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self.line("setting", text=f"{key} = {text}  ({told['origin']})")

    def line(self, event: str, **facts: Any) -> None:
        """Write one line: the time, the event, what is known of it."""
        time = datetime.now().astimezone().isoformat(" ", "seconds")
        told = facts.pop("text", None)
        words = [str(told)] if told is not None else []
        words += [f"{name} {_value(value)}" for name, value in facts.items() if value is not None]
        append_line(self.path, " ".join(f"{time}  {event}  {'  '.join(words)}".splitlines()))


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
