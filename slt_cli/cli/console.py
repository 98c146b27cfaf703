"""Everything shown while a command runs, on stderr: Rich on a terminal, plain lines in a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PLAIN_EVERY_S = 5.0
_BAR_FACTS = {"done", "total", "epochs"}
_REFRESHES_PER_S = 4


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
        for line in _lines(event, facts):
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to take down."""


class RichReporter:
    """A live bar per counting event, and the view of a training run; all else scrolls above."""

    def __init__(self) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        from slt_cli.cli.live import TrainView

        self._console = Console(file=sys.stderr, stderr=True, highlight=False)
        self._view = TrainView()
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self._console,
        )
        self._tasks: dict[str, Any] = {}
        self._live = Live(
            Group(self._view, self._progress), console=self._console, transient=True,
            refresh_per_second=_REFRESHES_PER_S,
        )  # fmt: skip
        self._live.start()

    def __call__(self, event: str, **facts: Any) -> None:
        """Show one event."""
        if self._view.update(event, facts):
            return
        if "done" not in facts:
            for line in _lines(event, facts):
                self._console.print(line, markup=False)
            return
        if event not in self._tasks:
            self._tasks[event] = self._progress.add_task(event, total=facts.get("total"), facts="")
        self._progress.update(
            self._tasks[event],
            completed=facts["done"],
            total=facts.get("total"),
            facts=_facts({k: v for k, v in facts.items() if k not in _BAR_FACTS}),
        )
        if facts["done"] == facts.get("total"):
            self._progress.remove_task(self._tasks.pop(event))

    def close(self) -> None:
        """Remove everything live."""
        self._live.stop()


def _lines(event: str, facts: Mapping[str, Any]) -> list[str]:
    """One line for an event, or one for each of its translations."""
    if event != "samples":
        return [_line(event, facts)]
    return [
        f"sample  prediction: {one_line(row['prediction'])}  |  "
        f"reference: {one_line(row['reference'])}"
        for row in facts["rows"]
    ]


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
    told: dict[str, Any] = {}
    for name, value in facts.items():  # the terms of a loss come as one fact, a mapping
        told |= value if isinstance(value, Mapping) else {name: value}
    return "  ".join(f"{name} {_value(value)}" for name, value in told.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(str(value))


def printable(text: str) -> str:
    """Replace control characters from data, so that a file name cannot drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """`printable` without line breaks."""
    return printable(" ".join(text.split()))


@contextmanager
def reporting(quiet: bool) -> Iterator[Any]:
    """Yield the `Report` that fits stderr: live, plain or silent."""
    if quiet or not speaks_for_all():
        yield lambda event, **facts: None
        return
    reporter = RichReporter() if _is_terminal() else PlainReporter()
    try:
        yield reporter
    finally:
        reporter.close()


def speaks_for_all() -> bool:
    """Whether this is the first, or the only one, of the processes that `torchrun` started here."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def show_error(message: str, where: str | None, hint: str | None, code: str) -> None:
    """Print one error on stderr: what, where, and the next command."""
    lines = [f"error [{code}]: {printable(message)}"]
    if where:
        lines.append(f"  at:   {printable(where)}")
    if hint:
        lines.append(f"  next: {printable(hint)}")
    print("\n".join(lines), file=sys.stderr, flush=True)
