"""What a terminal shows while a model trains: where the run is, its losses, speed and scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slt_cli.cli.console import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_WIDEST = 100
_NUM_SAMPLES = 2
_LABEL_WIDTH = 10
_SCORES = {
    "val_loss": "loss", "bleu": "BLEU", "chrf": "chrF", "wer": "WER", "gloss_wer": "gloss WER",
}  # fmt: skip


class TrainView:
    """A Rich renderable of the last events of a training run; empty before the first one.

    Nothing is wider than the terminal: facts go to the next line as a whole, sentences are cut.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._train: dict[str, Any] = {}
        self._epoch: dict[str, Any] = {}
        self._samples: Sequence[Mapping[str, str]] = ()
        self._started = (0.0, 0)  # when, and at which step: a resumed run begins in the middle

    def update(self, event: str, facts: Mapping[str, Any]) -> bool:
        """Take in one event; whether it is shown here and nowhere else."""
        if event == "train":
            if not self._train:
                self._started = (self._clock(), facts["done"])
            self._train = dict(facts)
        elif event == "epoch":
            self._epoch = dict(facts)
        elif event == "samples" and self._train:
            self._samples = facts["rows"][:_NUM_SAMPLES]
        return bool(self._train) and event in {"train", "samples"}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines that fit the terminal as it is now."""
        from rich.progress_bar import ProgressBar
        from rich.segment import Segment

        if not self._train:
            return
        yield Segment.line()  # apart from what has scrolled by
        # One column is left free: a terminal that has written its last one may begin a new line.
        width = min(options.max_width - 1, _WIDEST)
        done, total = self._train["done"], self._train.get("total")
        yield from packed(self._place(done, total), width)
        yield ProgressBar(total=total, completed=done, width=width)
        yield Segment.line()
        yield from packed(self._losses(), width)
        yield from packed(self._speed(), width)
        yield from self._validation(width)

    def _place(self, done: int, total: int | None) -> list[Text]:
        epoch, epochs = self._train.get("epoch"), self._train.get("epochs")
        of = f"{epoch}/{epochs}" if epochs else f"{epoch}"
        elapsed = self._clock() - self._started[0]
        taken = done - self._started[1]
        left = elapsed / taken * (total - done) if total and taken > 0 else None
        return [
            *_fact("epoch", None if epoch is None else of),
            *_fact("step", f"{done:,}" + (f"/{total:,}" if total else "")),
            *_fact("elapsed", _duration(elapsed)),
            *_fact("ETA", None if left is None else _duration(left)),
        ]

    def _losses(self) -> list[Text]:
        facts = {"loss": self._train.get("loss"), **(self._train.get("terms") or {})}
        found = [text for name, value in facts.items() for text in _fact(name, _number(value))]
        lr = self._train.get("lr")
        return [*found, *_fact("lr", None if lr is None else f"{lr:.2e}")]

    def _speed(self) -> list[Text]:
        wait, memory = self._train.get("wait_share"), self._train.get("memory_mib")
        return [
            *_fact("samples/s", _number(self._train.get("samples_per_s"))),
            *_fact("frames/s", _number(self._train.get("frames_per_s"))),
            *_fact("waiting", None if wait is None else f"{100 * wait:.0f} %"),
            *_fact("memory", None if memory is None else f"{memory:,.0f} MiB"),
        ]

    def _validation(self, width: int) -> RenderResult:
        told = {label: _number(self._epoch.get(key)) for key, label in _SCORES.items()}
        scores = [text for label, value in told.items() for text in _fact(label, value)]
        if scores:
            epoch = _fact("validation, epoch", str(self._epoch["epoch"]))
            yield from packed([*epoch, *scores], width)
        for row in self._samples:
            for name in ("prediction", "reference"):
                yield _sentence(name, row.get(name, ""), width)


def packed(facts: Sequence[Text], width: int) -> list[Text]:
    """The facts in as few lines as they fit in, none broken apart unless it is too long itself."""
    from rich.text import Text

    lines: list[Text] = []
    for fact in facts:
        if lines and lines[-1].cell_len + 2 + fact.cell_len <= width:
            lines[-1].append("  ").append_text(fact)
        else:
            lines.append(Text(no_wrap=True).append_text(fact))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _fact(name: str, value: str | None) -> list[Text]:
    """`name value` in two styles; nothing without a value."""
    from rich.text import Text

    return [] if value is None else [Text.assemble((f"{name} ", "dim"), (value, "bold"))]


def _sentence(name: str, sentence: str, width: int) -> Text:
    from rich.text import Text

    words = one_line(sentence) or ("(nothing)", "dim")
    line = Text.assemble((f"  {name:<{_LABEL_WIDTH}}  ", "dim"), words, no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _number(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
