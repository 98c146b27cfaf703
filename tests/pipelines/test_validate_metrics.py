"""Comparing a run with reference metrics: which numbers are compared, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Result
from slt_cli.pipelines.validation.metrics import validate_metrics
from slt_cli.settings.evaluate import CheckSettings

EPOCHS = (
    {"epoch": 1, "step": 4, "val_loss": 4.0, "bleu": 10.0, "train_s": 1.0, "clips_per_s": 9.0},
    {"epoch": 2, "step": 8, "val_loss": 2.0, "bleu": 20.0, "train_s": 1.0, "clips_per_s": 9.0},
)
REPORT = {
    "split": "test",
    "scores": {
        "text": [{"name": "BLEU-4", "value": 20.0, "signature": "s"}],
        "gloss": [{"name": "gloss WER", "value": 40.0, "signature": "s"}],
    },
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two epochs, evaluated on test."""
    folder = tmp_path / "run"
    write(folder / "eval" / "test" / "report.json", REPORT)
    lines = "".join(json.dumps(epoch) + "\n" for epoch in EPOCHS)
    (folder / "metrics.jsonl").write_text(lines)
    return folder


def write(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def compare(run: Path, reference: Any, tolerance: float = 0.05) -> Result:
    path = write(run.parent / "reference.json", reference)
    return validate_metrics(run, CheckSettings(reference=path, tolerance=tolerance))


def verdicts(result: Result) -> dict[str, str]:
    return {row["name"]: row["verdict"] for row in result.facts["metrics"]}


def test_the_last_epoch_is_compared(run: Path) -> None:
    result = compare(run, {"val_loss": 2.0, "bleu": 20.0})
    assert (result.exit_code, result.facts["epoch"]) == (0, 2)
    assert verdicts(result) == {"val_loss": "ok", "bleu": "ok"}


def test_the_epoch_of_the_reference_is_compared(run: Path) -> None:
    assert compare(run, {"epoch": 1, "val_loss": 4.0}).exit_code == 0
    with pytest.raises(InputError, match=r"no epoch 3.*the last is 2"):
        compare(run, {"epoch": 3, "val_loss": 4.0})


@pytest.mark.parametrize(
    ("reference", "within"),
    [(20.0, True), (20.9, True), (19.1, True), (21.1, False), (19.0, False), (-20.0, False)],
)
def test_better_and_worse_both_count_relative_to_the_reference(
    run: Path, reference: float, within: bool
) -> None:
    # 20 is 4.3 % below 20.9 and 4.7 % above 19.1, but 5.2 % below 21.1 and 5.3 % above 19.
    result = compare(run, {"bleu": reference})
    assert result.exit_code == (0 if within else 7)
    assert verdicts(result) == {"bleu": "ok" if within else "outside"}


def test_zero_equals_zero_and_nothing_else(run: Path) -> None:
    assert compare(run, {"bleu": 0.0}, tolerance=10.0).exit_code == 7
    write(run / "metrics.json", {"bleu": 0})
    assert compare(run / "metrics.json", {"bleu": 0.0}, tolerance=0.0).exit_code == 0


def test_a_missing_metric_fails(run: Path) -> None:
    result = compare(run, {"bleu": 20.0, "chrf": 30.0})
    assert result.exit_code == 7
    assert verdicts(result) == {"bleu": "ok", "chrf": "missing"}


def test_times_and_speeds_are_not_compared(run: Path) -> None:
    assert set(verdicts(compare(run, EPOCHS[1] | {"train_s": 99.0, "clips_per_s": 1.0}))) == {
        "val_loss", "bleu",
    }  # fmt: skip
    with pytest.raises(InputError, match="no metric to compare"):
        compare(run, {"train_s": 1.0, "note": "fast"})


def test_a_log_can_be_the_reference(run: Path) -> None:
    check = CheckSettings(reference=run / "metrics.jsonl")
    assert validate_metrics(run, check).counts == {"compared": 2, "failed": 0}


def test_a_report_is_compared_with_the_report_of_that_split(run: Path) -> None:
    result = compare(run, REPORT)
    assert result.facts["file"] == str(run / "eval" / "test" / "report.json")
    assert verdicts(result) == {"text BLEU-4": "ok", "gloss gloss WER": "ok"}


def test_the_table_shows_each_number(run: Path) -> None:
    lines = compare(run, {"bleu": 25.0}).text.splitlines()
    assert lines[1].split() == ["bleu", "25", "20", "-20.00%", "outside"]
    assert lines[-1].endswith(
        "(epoch 2): 0 of 1 metrics within 0.05 of " + str(run.parent / "reference.json")
    )


def test_without_a_reference_the_command_is_told(run: Path) -> None:
    with pytest.raises(UsageError) as caught:
        validate_metrics(run, CheckSettings())
    assert "--reference FILE" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.json", None, "no such file"),
        ("empty.jsonl", "", "holds no metrics"),
        ("cut.json", '{"bleu": 2', "cannot be read as JSON"),
        ("list.json", "[1, 2]", "holds no metrics"),
        ("nan.json", '{"bleu": NaN}', "not finite: bleu"),
        ("words.json", '{"bleu": "20", "ok": true}', "no metric to compare"),
    ],
)
def test_a_reference_of_no_use_is_bad_input(
    run: Path, name: str, content: str | None, says: str
) -> None:
    path = run.parent / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        validate_metrics(run, CheckSettings(reference=path))
    assert caught.value.where == str(path)


def test_a_folder_without_metrics_is_bad_input(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    with pytest.raises(InputError, match=r"holds none of metrics\.jsonl, report\.json"):
        compare(run, {"bleu": 20.0})
