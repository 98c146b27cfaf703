"""Everything shown while a command runs, on stderr: Rich on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PLAIN_EVERY_S = 5.0
_BAR_FACTS = {"done", "total"}


class PlainReporter:
    """One line every few seconds for events that count; every other event is one line."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, event: str, **facts: Any) -> None:
        """Show one event."""
        if "done" in facts and facts["done"] != facts.get("total"):
            now = time.monotonic()
            if now - self._last.setdefault(event, now - PLAIN_EVERY_S) < PLAIN_EVERY_S:
                return
            self._last[event] = now
        print(_line(event, facts), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to take down."""


class RichReporter:
    """A live bar per counting event; every other event scrolls above the bars."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=Console(file=sys.stderr, stderr=True, highlight=False),
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._progress.start()

    def __call__(self, event: str, **facts: Any) -> None:
        """Show one event."""
        if "done" not in facts:
            self._progress.console.print(_line(event, facts), markup=False)
            return
        if event not in self._tasks:
            self._tasks[event] = self._progress.add_task(event, total=facts.get("total"), facts="")
        self._progress.update(
            self._tasks[event],
            completed=facts["done"],
            total=facts.get("total"),
            facts=_facts({k: v for k, v in facts.items() if k not in _BAR_FACTS}),
        )

    def close(self) -> None:
        """Remove the bars."""
        self._progress.stop()


def _line(event: str, facts: Mapping[str, Any]) -> str:
    if event in {"note", "warning"}:
        return f"{event}: {printable(str(facts.get('text', '')))}"
    rest = {k: v for k, v in facts.items() if k not in _BAR_FACTS}
    count = ""
    if "done" in facts:
        count = f" {facts['done']}/{facts['total']}" if facts.get("total") else f" {facts['done']}"
    elif event in rest:
        count = f" {rest.pop(event)}"  # `epoch 3`, not `epoch  epoch 3`
    return f"{event}{count}  {_facts(rest)}".rstrip()


def _facts(facts: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{name} {_value(value)}" for name, value in facts.items() if value is not None
    )


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(str(value))


def printable(text: str) -> str:
    """Replace control characters from data, so that a file name cannot drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


@contextmanager
def reporting(quiet: bool) -> Iterator[Any]:
    """Yield the `Report` that fits stderr: live, plain or silent."""
    if quiet:
        yield lambda event, **facts: None
        return
    reporter = RichReporter() if _is_terminal() else PlainReporter()
    try:
        yield reporter
    finally:
        reporter.close()


def _is_terminal() -> bool:
    import os

    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def show_error(message: str, where: str | None, hint: str | None, code: str) -> None:
    """Print one error on stderr: what, where, and the next command."""
    lines = [f"error [{code}]: {printable(message)}"]
    if where:
        lines.append(f"  at:   {printable(where)}")
    if hint:
        lines.append(f"  next: {printable(hint)}")
    print("\n".join(lines), file=sys.stderr, flush=True)
