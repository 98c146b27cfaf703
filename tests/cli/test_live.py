from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from slt_cli.cli.live import TrainView

TRAIN = {
    "done": 30, "total": 240, "epoch": 2, "epochs": 12, "loss": 1.25,
    "terms": {"translation": 0.8, "ctc": 0.32}, "lr": 5e-4, "samples_per_s": 12.34,
    "frames_per_s": 1534.2, "wait_share": 0.031, "memory_mib": 1204.3,
}  # fmt: skip
SAMPLES = [
    {"prediction": "veo casa", "reference": "veo casa y libro"},
    {"prediction": "", "reference": "mañana lloverá " * 20},
    {"prediction": "a third", "reference": "one"},
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(view: TrainView, width: int = 100) -> list[str]:
    file = StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(view)
    return file.getvalue().splitlines()


@pytest.fixture
def view() -> TrainView:
    view = TrainView(Clock())
    view.update("train", TRAIN)
    return view


def test_nothing_is_shown_before_training_begins() -> None:
    view = TrainView()
    assert not view.update("translate", {"done": 1, "total": 2})
    assert not view.update("samples", {"rows": SAMPLES})  # of another command: shown as lines
    assert shown(view) == []


def test_every_figure_of_a_step_is_on_the_screen(view: TrainView) -> None:
    text = "\n".join(shown(view))
    for fact in (
        "epoch 2/12", "step 30/240", "loss 1.25", "translation 0.8", "ctc 0.32", "lr 5.00e-04",
        "samples/s 12.34", "frames/s 1,534", "waiting 3 %", "memory 1,204 MiB",
    ):  # fmt: skip
        assert fact in text


def test_what_is_not_known_is_left_out() -> None:
    view = TrainView()
    view.update("train", {"done": 1, "total": 2, "epoch": 1, "loss": 2.0, "lr": 0.1})
    text = "\n".join(shown(view))
    assert "loss 2" in text
    assert not any(word in text for word in ("None", "waiting", "memory", "validation", "ETA"))


def test_the_time_left_counts_from_the_step_where_a_resumed_run_began() -> None:
    clock = Clock()
    view = TrainView(clock)
    view.update("train", {"done": 100, "total": 200})
    clock.now = 60.0
    view.update("train", {"done": 110, "total": 200})  # 6 s a step, 90 to go
    assert "elapsed 0:01:00  ETA 0:09:00" in "\n".join(shown(view))


def test_the_last_scores_and_two_translations_stay_on_the_screen(view: TrainView) -> None:
    assert view.update("samples", {"rows": SAMPLES})
    assert not view.update("epoch", {"epoch": 1, "val_loss": 3.0, "bleu": 12.0, "wer": None})
    view.update("train", TRAIN)
    text = "\n".join(shown(view))
    assert "validation, epoch 1  loss 3  BLEU 12" in text
    assert "WER" not in text
    assert "veo casa y libro" in text
    assert "(nothing)" in text
    assert "third" not in text


@pytest.mark.parametrize("width", [20, 40, 60, 100, 200])
def test_no_line_reaches_the_edge_of_the_terminal(view: TrainView, width: int) -> None:
    view.update("samples", {"rows": SAMPLES})
    view.update("epoch", {"epoch": 1, "val_loss": 3.0, "bleu": 12.0, "chrf": 30.0, "wer": 80.0})
    lines = shown(view, width)
    assert max(map(len, lines)) < width
    assert len(lines) < 30


@pytest.mark.parametrize("width", [40, 60])
def test_a_fact_is_never_broken_between_two_lines(view: TrainView, width: int) -> None:
    assert any("memory 1,204 MiB" in line for line in shown(view, width))
    assert any("lr 5.00e-04" in line for line in shown(view, width))


def test_text_of_the_data_cannot_drive_the_terminal(view: TrainView) -> None:
    row: dict[str, Any] = {"prediction": "a\x1b[31m\nb [bold]c[/bold]", "reference": "x\ty"}
    view.update("samples", {"rows": [row]})
    text = "\n".join(shown(view))
    assert "\x1b" not in text
    assert r"a\x1b[31m b [bold]c[/bold]" in text
