from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from slt_cli.evaluation.training_report import best_epoch, training_page
from slt_cli.evaluation.training_report_card import card_text
from slt_cli.evaluation.training_report_curves import chart, series_of, thinned
from slt_cli.evaluation.training_report_plots import plot_files

CONFIG: dict[str, Any] = {
    "slt": "1.2.3", "preset": "tiny-cpu", "fingerprint": "ab12",
    "settings": {
        "training": {"best_metric": "loss", "task": "sign2text"},
        "model": {"streams": ["keypoints", "pose"], "sequence_length": 64},
    },
    "overrides": {"data.corpus": {"value": "corpus|<b>", "origin": "--data"},
                  "optim.betas": {"value": [0.9, 0.98], "origin": "run.yaml"}},
    "clips": {"train": 1200, "val": 30},
    "landmarks": {"layout": "some_layout", "name": "some estimator", "version": "7"},
    "parameters": {"mska": 12345, "total": 12345}, "without_ctc": ["a", "b"],
    "starts": ["mska starts from published.pth: 9 tensors", "decoder starts from t5"],
}  # fmt: skip
HOSTILE = "</td><script>alert(1)</script>"
VOID = {"meta"}


def epochs(count: int = 4) -> list[dict[str, Any]]:
    """The validation loss is least in epoch 2; every second epoch is translated."""
    return [
        {
            "epoch": e, "step": 10 * e, "loss": 8.0 / e, "val_loss": abs(e - 2) + 3.0,
            "loss_ctc": 0.0, "loss_ctc_weighted": 0.0, "perplexity": 2.0,
            "bleu": 5.0 * e if e % 2 == 0 else None, "wer": 100.0 - e if e % 2 == 0 else None,
            "gloss_wer": None, "wait_share": 0.03,
        }
        for e in range(1, count + 1)
    ]  # fmt: skip


class Page(HTMLParser):
    """Tags in order, the text of every table cell, and a check that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.rows: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


def page(metrics: list[dict[str, Any]], samples: Any = None, config: Any = None) -> Page:
    parsed = Page(training_page("my run", config or CONFIG, metrics, samples or {}))
    assert not parsed.open
    return parsed


def test_the_page_needs_no_other_file_and_no_script() -> None:
    samples = {2: [{"video_id": "v", "prediction": HOSTILE, "reference": "a & b"}]}
    text = training_page("my run", CONFIG, epochs(), samples)
    parsed = Page(text)
    assert not parsed.open
    assert not {"script", "link", "img", "iframe", "a", "object"} & {tag for tag, _ in parsed.tags}
    assert not any(name in attrs for _, attrs in parsed.tags for name in ("src", "href", "onload"))
    assert not re.search(r"https?:|url\(|@import", text)


def test_everything_from_the_data_is_text() -> None:
    samples = {1: [{"video_id": HOSTILE, "prediction": HOSTILE, "reference": "a & b"}]}
    config = CONFIG | {"overrides": {HOSTILE: {"value": HOSTILE, "origin": HOSTILE}}}
    found = page(epochs(), samples, config)
    assert found.cells.count(HOSTILE) == 5
    assert "a & b" in found.cells


def test_an_epoch_without_translations_has_empty_cells() -> None:
    found = Page(training_page("run", {}, epochs(2), {}))
    header = ["epoch", "updates", "loss", "val. loss", "perplexity", "BLEU-4", "WER", "waiting"]
    assert found.cells[: len(header)] == ["2", "20", "4", "3", "2", "10", "98", "3.0 %"]
    assert found.cells[len(header) : 2 * len(header)] == ["1", "10", "8", "4", "2", "", "", "3.0 %"]


@pytest.mark.parametrize(
    ("metric", "expected"), [("loss", 2), ("bleu", 4), ("wer", 4), ("gloss_wer", None)]
)
def test_the_best_epoch_is_the_one_of_best_pt(metric: str, expected: int | None) -> None:
    config = {"settings": {"training": {"best_metric": metric}}}
    found = best_epoch(config, epochs())
    assert (found and found["epoch"]) == expected


def test_a_run_without_an_epoch_has_a_page() -> None:
    assert page([]).cells[0] == "preset"
    assert page([], config={"slt": "1"}).cells == []


def test_a_long_run_stays_a_small_page() -> None:
    text = training_page("run", CONFIG, epochs(20_000), {})
    assert len(text) < 600_000


def figure(*series: list[tuple[float, float]]) -> str:
    return chart("title", "note", {f"line {i}": points for i, points in enumerate(series)})


def test_a_curve_runs_from_edge_to_edge_and_higher_is_up() -> None:
    (path,) = re.findall(r'<path d="M([^"]+)"', figure([(1, 0.0), (2, 10.0), (3, 5.0)]))
    places = [tuple(map(float, place.split())) for place in path.split("L")]
    xs, ys = zip(*places, strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    assert ys[1] < ys[2] < ys[0]
    assert ys[2] == pytest.approx((ys[0] + ys[1]) / 2, abs=0.11)


@pytest.mark.parametrize(
    "points",
    [[(1, 3.0)], [(1, 0.0)], [(1, 5.0), (2, 5.0)], [(1, 1e-9), (2, 2e-9)], [(1, -3.0), (2, 1e6)]],
)
def test_any_values_can_be_drawn(points: list[tuple[float, float]]) -> None:
    text = figure(points)
    assert "nan" not in text
    assert 2 <= text.count("<line") <= 9
    numbers = [
        float(n) for place in re.findall(r'd="M([^"]+)"', text) for n in re.split("[ L]", place)
    ]
    assert all(0 <= n <= 360 for n in numbers)


def test_nothing_to_draw_is_no_figure() -> None:
    assert figure([]) == ""


def test_points_are_the_epochs_that_have_a_number() -> None:
    metrics = [
        {"epoch": 1, "x": None},
        {"epoch": 2, "x": 3},
        {"epoch": 3, "x": float("nan")},
        {"epoch": 4},
    ]
    assert series_of(metrics, "x") == [(2.0, 3.0)]


def test_thinning_keeps_both_ends() -> None:
    points = [(float(x), 0.0) for x in range(1001)]
    few = thinned(points, 11)
    assert [x for x, _ in few] == [float(x) for x in range(0, 1001, 100)]
    assert thinned(points, 2000) == points


def test_plots_are_pictures_of_what_was_measured() -> None:
    drawn = plot_files(epochs())
    assert list(drawn) == ["losses.png", "scores.png"]
    for image in drawn.values():
        assert Image.open(BytesIO(image)).size == (768, 480)
    assert list(plot_files(epochs(1))) == ["losses.png"]
    assert plot_files([]) == {}


def test_the_card_says_what_the_model_is_made_from() -> None:
    card = card_text("my-run", CONFIG, epochs())
    for line in (
        "# my-run", "Translates signing to text, trained with slt 1.2.3 from the preset tiny-cpu.",
        "| clips | train 1,200, val 30 |", "some_layout, some estimator, 7 |",
        "without CTC loss | 2 |", "published.pth: 9 tensors; decoder starts from t5 |",
        "| streams | keypoints, pose |", "| parameters: mska | 12,345 |",
        "| data.corpus | corpus\\|&lt;b&gt; |", "| optim.betas | [0.9, 0.98] |",
        "| | best (epoch 2) | last (epoch 4) |", "| loss | 3 | 5 |", "| BLEU-4 | 10 | 20 |",
    ):  # fmt: skip
        assert line in card, line
    assert "gloss WER" not in card
    assert "icen" not in card  # a licence is not for us to name


def test_the_card_of_a_run_that_recorded_little_says_so() -> None:
    card = card_text("run", {}, [])
    assert "| clips | not recorded |" in card
    assert "| weights before training | random |" in card
    assert "No epoch is over yet." in card
