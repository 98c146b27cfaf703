from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from slt_cli.errors import InputError, UsageError
from slt_cli.evaluation.decoding import Hypothesis
from slt_cli.losses.translation import IGNORE
from slt_cli.training import validation
from slt_cli.training.config import LoopConfig
from slt_cli.training.epoch_record import gloss_error_rate, text_scores, to_minimise
from slt_cli.training.run_folder import RunFolder
from slt_cli.training.state import Progress
from slt_cli.training.validation import Validator, check_validation

CONFIG = LoopConfig(
    epochs=10, lr=1e-3, warmup_steps=0, schedule="none", grad_accum_steps=1, clip_grad_norm=1.0,
    label_smoothing=0.0, translation_weight=1.0, ctc_weight=1.0, distillation_weight=1.0,
    distillation_temperature=1.0, detach_teacher=False, masked=True, save_every_steps=0,
)  # fmt: skip
MEANS = {
    "loss": 3.5, "translation": 2.0, "translation_weighted": 2.0, "ctc": 3.0, "ctc_weighted": 1.5,
    "token": 0.5, "teacher_forcing": 0.9, "seconds_per_iteration": 0.25, "clips": 40,
    "frames": 4000, "wait_share": 0.02, "peak_memory_mib": 100.0,
}  # fmt: skip
WITHOUT_TEXT = {k: v for k, v in MEANS.items() if not k.startswith(("translation", "token"))}
SAID = [
    Hypothesis("a", "the cat eats fresh fish", "the cat eats fresh fish", "CAT EAT", "CAT EAT"),
    Hypothesis("b", "", "nobody said that here", "CAT", "DOG"),
]
# Two batches of two clips and one clip, of 3 and 5 target tokens.
BATCHES = [
    (["a", "b"], [[1, 2], [1, IGNORE]], {"loss": 1.0, "translation": 1.0, "token": 0.5}),
    (["c"], [[1, 2, 3, 4, 5]], {"loss": 4.0, "translation": 4.0, "token": 1.5}),
]


def batches(*_: object) -> Iterator[Any]:
    for ids, labels, terms in BATCHES:
        width = max(map(len, labels))
        padded = [row + [IGNORE] * (width - len(row)) for row in labels]
        batch = SimpleNamespace(video_ids=ids, labels=torch.tensor(padded), terms=terms)
        batch.to = lambda device, batch=batch: batch
        yield batch


def tensors(model: Any, batch: Any, config: LoopConfig) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in batch.terms.items()}


class Events(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, **facts: Any) -> None:
        self.append((event, facts))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [facts for event, facts in self if event == name]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`made(**changes)` is a validator of a model that always says `SAID`, without the model."""
    monkeypatch.setattr(validation, "evaluation_batches", batches)
    monkeypatch.setattr(validation, "compute_losses", tensors)
    monkeypatch.setattr(validation, "translate_batches", lambda *args, **kwargs: SAID)
    monkeypatch.setattr(Validator, "_recognise", lambda self: SAID)

    def make(task: str = "sign2text", **changes: Any) -> Validator:
        fields: dict[str, Any] = {
            "model": SimpleNamespace(eval=lambda: None), "dataset": range(3), "tokenizer": None,
            "glosses": ["CAT", "DOG", "EAT"], "config": replace(CONFIG, task=task),
            "batch_size": 2, "max_length": 10, "generate_every": 5, "metric": "loss",
            "folder": RunFolder(tmp_path), "device": torch.device("cpu"), "report": Events(),
        }  # fmt: skip
        return Validator(**fields | changes)

    return make


def at(epoch: int) -> Progress:
    """The end of an epoch, counted from 1."""
    return Progress(epoch=epoch - 1, step=10 * epoch, elapsed_s=10.0)


def record_of(validator: Validator) -> dict[str, Any]:
    return validator.folder.metrics()[-1]


def test_the_line_of_an_epoch_has_exactly_these_keys(made: Any) -> None:
    validator = made()
    for epoch in (1, 5):  # without translations, and with
        validator(at(epoch), MEANS)
        assert list(record_of(validator)) == [
            "epoch", "step", "loss", "loss_translation", "loss_translation_weighted", "loss_ctc",
            "loss_ctc_weighted", "loss_distillation", "loss_distillation_weighted", "perplexity",
            "teacher_forcing", "train_s", "seconds_per_iteration", "samples_per_s",
            "frames_per_s", "wait_share", "peak_memory_mib", "val_loss", "val_loss_translation",
            "val_loss_ctc", "val_loss_distillation", "val_perplexity", "bleu", "chrf", "wer",
            "gloss_wer", "val_s",
        ]  # fmt: skip


def test_what_the_guides_print_of_an_epoch_is_never_null(made: Any) -> None:
    validator = made(glosses=[])
    text_alone = {k: v for k, v in MEANS.items() if not k.startswith("ctc")}
    validator(at(1), text_alone)
    line = json.loads(validator.folder.metrics_path.read_text("utf-8"))
    assert "gloss_wer" not in line
    printed = {
        k: line[k] for k in ("epoch", "loss_translation_weighted", "loss_ctc_weighted",
                             "loss_distillation_weighted", "perplexity")
    }  # fmt: skip
    assert printed == {
        "epoch": 1, "loss_translation_weighted": 2.0, "loss_ctc_weighted": 0.0,
        "loss_distillation_weighted": 0.0, "perplexity": pytest.approx(math.exp(0.5)),
    }  # fmt: skip


def test_speed_is_clips_and_frames_by_the_time_of_training(made: Any) -> None:
    validator = made()
    validator(at(1), MEANS)
    line = record_of(validator)
    assert (line["samples_per_s"], line["frames_per_s"]) == (4.0, 400.0)
    assert (line["seconds_per_iteration"], line["wait_share"]) == (0.25, 0.02)


def test_losses_of_the_split_do_not_depend_on_how_it_is_cut_into_batches(made: Any) -> None:
    losses = made().losses()
    assert losses["loss"] == pytest.approx((2 * 1.0 + 4.0) / 3)  # by clip
    assert losses["token"] == pytest.approx((3 * 0.5 + 5 * 1.5) / 8)  # by token


def test_translations_are_made_every_few_epochs_and_in_the_last_one(made: Any) -> None:
    validator = made(generate_every=4)
    for epoch in range(1, 11):
        validator(at(epoch), MEANS)
    scored = [line["epoch"] for line in validator.folder.metrics() if line["wer"] is not None]
    assert scored == [4, 8, 10]
    assert [path.name for path in sorted((validator.folder.path / "samples").iterdir())] == [
        "epoch-004.json", "epoch-008.json", "epoch-010.json",
    ]  # fmt: skip


def test_a_limit_of_updates_makes_its_epoch_the_last_one(made: Any) -> None:
    validator = made(config=replace(CONFIG, max_train_steps=20))
    validator(at(1), MEANS)
    assert record_of(validator)["wer"] is None
    validator(at(2), MEANS)
    assert record_of(validator)["wer"] is not None


@pytest.mark.parametrize(
    ("best", "stale", "last"), [(1.5, 2, True), (1.5, 1, False), (2.5, 2, False), (None, 2, False)]
)
def test_the_epoch_that_early_stopping_ends_at_is_translated(
    made: Any, best: float | None, stale: int, last: bool
) -> None:
    validator = made(config=replace(CONFIG, early_stopping=3))
    progress = at(1)
    progress.best, progress.stale = best, stale
    assert validator(progress, MEANS) == pytest.approx(2.0)
    assert (record_of(validator)["wer"] is not None) == last


def test_a_run_of_glosses_alone_has_no_score_of_text_and_no_perplexity(made: Any) -> None:
    validator = made(task="sign2gloss", metric="gloss_wer")
    value = validator(at(5), WITHOUT_TEXT)
    line = record_of(validator)
    assert {"bleu", "chrf", "wer", "perplexity"}.isdisjoint(line)
    assert value == line["gloss_wer"] == pytest.approx(100 / 3)  # DOG of CAT EAT DOG
    assert line["loss_translation_weighted"] == 0.0
    (samples,) = validator.report.named("samples")
    assert samples["rows"][-1] == {"prediction": "CAT", "reference": "DOG"}


def test_a_run_from_glosses_to_text_has_no_gloss_error(made: Any) -> None:
    validator = made(task="gloss2text")
    validator(at(5), MEANS)
    assert "gloss_wer" not in record_of(validator)
    assert record_of(validator)["wer"] is not None


@pytest.mark.parametrize(
    ("metric", "sign"), [("bleu", -1), ("chrf", -1), ("wer", 1), ("gloss_wer", 1)]
)
def test_the_value_to_minimise_is_infinite_in_epochs_without_the_score(
    made: Any, metric: str, sign: int
) -> None:
    validator = made(metric=metric)
    assert validator(at(1), MEANS) == math.inf
    assert validator(at(5), MEANS) == sign * record_of(validator)[metric]


def test_the_value_to_minimise_is_the_loss_of_every_epoch_by_default(made: Any) -> None:
    assert made()(at(1), MEANS) == pytest.approx(2.0)


def test_a_loss_that_is_no_number_is_null_and_never_the_best(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validator, "losses", lambda self: {"loss": math.nan, "token": 1.0})
    validator = made()
    assert validator(at(1), MEANS) == math.inf
    assert record_of(validator)["val_loss"] is None


def test_two_translations_are_shown_and_a_few_more_kept(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Hypothesis(f"{i:02d}", f"said {i}", f"true {i}") for i in range(23)]
    monkeypatch.setattr(validation, "translate_batches", lambda *args, **kwargs: many)
    validator = made()
    validator(at(5), MEANS)
    kept = json.loads((validator.folder.path / "samples" / "epoch-005.json").read_text("utf-8"))
    assert [row["video_id"] for row in kept] == ["00", "05", "10", "15", "20"]
    (shown,) = validator.report.named("samples")
    assert shown["rows"] == [
        {"prediction": "said 15", "reference": "true 15"},
        {"prediction": "said 20", "reference": "true 20"},
    ]


def test_an_empty_split_is_refused_before_the_first_epoch(made: Any) -> None:
    with pytest.raises(InputError, match="validation split is empty"):
        made(dataset=[])


@pytest.mark.parametrize(
    ("task", "metric", "glosses"),
    [("sign2gloss", "bleu", True), ("gloss2text", "gloss_wer", True),
     ("sign2text", "gloss_wer", False)],
)  # fmt: skip
def test_a_best_metric_that_can_never_be_measured_is_refused(
    task: str, metric: str, glosses: bool
) -> None:
    with pytest.raises(UsageError) as caught:
        check_validation(task, metric, 3, glosses=glosses)
    assert caught.value.where == "training.best_metric"
    check_validation(task, "loss", 3, glosses=glosses)


def test_a_tracker_that_fails_is_named_once_and_training_goes_on(made: Any) -> None:
    told: list[int] = []

    def tracker(record: dict[str, Any]) -> None:
        told.append(record["epoch"])
        raise OSError("the disk of the tracker is gone")

    validator = made(tracker=tracker)
    for epoch in (1, 2, 3):
        validator(at(epoch), MEANS)
    assert told == [1]
    (warning,) = validator.report.named("warning")
    assert re.search("TensorBoard .*OSError: the disk of the tracker", warning["text"])
    assert (validator.folder.path / "report.html").is_file()
    assert len(validator.folder.metrics()) == 3


def test_a_plot_that_fails_costs_a_warning(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: RunFolder, *, plots: bool) -> None:
        raise RuntimeError("no font")

    monkeypatch.setattr(RunFolder, "write_report", fails)
    validator = made()
    for epoch in (1, 2):
        validator(at(epoch), MEANS)
    assert len(validator.report.named("warning")) == 1


def test_pictures_take_a_small_part_of_the_time(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []
    now = [0.0]

    def write(self: RunFolder, *, plots: bool) -> None:
        drawn.append(plots)
        now[0] += 1.0 if plots else 0.0

    monkeypatch.setattr(RunFolder, "write_report", write)
    monkeypatch.setattr(validation.time, "monotonic", lambda: now[0])
    validator = made()
    for epoch in range(1, 11):
        validator(at(epoch), MEANS)
        now[0] += 5.0
    # A picture of one second, then none for twenty; the last epoch always has one.
    assert [epoch for epoch, plots in enumerate(drawn, 1) if plots] == [1, 5, 9, 10]


def said(*pairs: tuple[str, str]) -> list[Hypothesis]:
    return [
        Hypothesis(str(i), prediction, reference) for i, (prediction, reference) in enumerate(pairs)
    ]


def test_a_score_without_meaning_is_none_and_not_zero() -> None:
    assert text_scores(said(("word", ""), ("", " "))) == {"bleu": None, "chrf": None, "wer": None}
    short = text_scores(said(("a b", "a b c"), ("x", "x")))
    assert short["bleu"] is None  # no reference has four words
    assert short["wer"] == pytest.approx(25.0)
    assert text_scores(said(("x", "a b c d")))["bleu"] == 0.0  # it has, and nothing is right
    assert text_scores(said(("a b c.", "a b c.")))["bleu"] == pytest.approx(
        100.0
    )  # BLEU counts "."


def test_gloss_errors_are_those_of_the_clips_with_glosses() -> None:
    assert gloss_error_rate(said(("a", "a"))) is None
    mixed = [*SAID, Hypothesis("c", "", "", "CAT", "")]
    assert gloss_error_rate(mixed) == pytest.approx(100 / 3)


def test_higher_is_better_only_for_bleu_and_chrf() -> None:
    record = {"val_loss": 2.0, "bleu": 30.0, "chrf": 40.0, "wer": 50.0, "gloss_wer": None}
    assert [to_minimise(record, m) for m in ("loss", "bleu", "chrf", "wer", "gloss_wer")] == [
        2.0, -30.0, -40.0, 50.0, math.inf,
    ]  # fmt: skip
