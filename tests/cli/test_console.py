from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from slt_cli.cli import console
from slt_cli.cli.console import PlainReporter, RichReporter, one_line, printable, reporting

STEP = {"epoch": 1, "epochs": 3, "loss": 1.25, "terms": {"ctc": 0.5}, "lr": None}
ROWS = [{"prediction": "veo\ncasa", "reference": "veo casa"}, {"prediction": "", "reference": "a"}]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Makes stderr a terminal, to be called in the test: pytest sets stderr anew before it."""

    def take_over(**environ: str) -> Terminal:
        stream = Terminal()
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.delenv("NO_COLOR", raising=False)
        usual = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        for name, value in (usual | environ).items():
            monkeypatch.setenv(name, value)
        return stream

    return take_over


def test_piped_progress_is_one_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    report = PlainReporter()
    for done in range(1, 12):
        report("train", done=done, total=12, **STEP)
        now[0] += 1.0
    report("train", done=12, total=12, **STEP)
    assert capsys.readouterr().err.splitlines() == [
        f"train {done}/12  epoch 1  loss 1.25  ctc 0.5" for done in (1, 6, 11, 12)
    ]


def test_piped_translations_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    PlainReporter()("samples", rows=ROWS)
    assert capsys.readouterr().err.splitlines() == [
        "sample  prediction: veo casa  |  reference: veo casa",
        "sample  prediction:   |  reference: a",
    ]  # fmt: skip


def test_scores_that_were_not_measured_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    PlainReporter()("epoch", epoch=3, loss=0.5, bleu=None)
    assert capsys.readouterr().err == "epoch 3  loss 0.5\n"


def test_a_terminal_shows_the_run_while_it_lives_and_keeps_the_epochs(
    terminal: Callable[..., Terminal],
) -> None:
    stream = terminal()
    with reporting(False) as report:
        report("train", done=1, total=12, **STEP)
        report("translate", done=1, total=2)
        report("samples", rows=ROWS)
        report("translate", done=2, total=2)
        report("epoch", epoch=1, val_loss=2.0)
        report("note", text="[bold]as it is")
        report("train", done=2, total=12, **STEP)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "step 2/12" in text
    assert "epoch 1  val_loss 2" in text
    assert "[bold]as it is" in text
    assert "\x1b[?25h" in text  # the cursor is shown again


def test_a_bar_that_is_full_goes_away(terminal: Callable[..., Terminal]) -> None:
    terminal()
    reporter = RichReporter()
    reporter("translate", done=1, total=2)
    assert list(reporter._tasks) == ["translate"]
    reporter("translate", done=2, total=2)
    assert not reporter._tasks
    reporter("translate", done=1, total=2)  # of the next epoch
    reporter.close()


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    terminal: Callable[..., Terminal], term: str
) -> None:
    stream = terminal(TERM=term)
    with reporting(False) as report:
        report("train", done=12, total=12, **STEP)
    assert stream.getvalue() == "train 12/12  epoch 1  loss 1.25  ctc 0.5\n"


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(
    terminal: Callable[..., Terminal], environ: dict[str, str], coloured: bool
) -> None:
    stream = terminal(**environ)
    with reporting(False) as report:
        report("train", done=1, total=12, **STEP)
    assert "step" in stream.getvalue()
    assert bool(re.search(r"\x1b\[(3\d|38;)", stream.getvalue())) == coloured


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(True) as report:
        report("warning", text="x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\rb", "a\x07b"])
def test_control_characters_are_shown_and_not_sent(text: str) -> None:
    shown: Any = printable(text)
    assert shown.isprintable()
    assert one_line(f"{text}\n\n x").isprintable()
