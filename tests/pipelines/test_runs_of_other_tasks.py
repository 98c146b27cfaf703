"""What `slt eval`, `translate` and `export` do with runs of sign2gloss and gloss2text."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from slt_cli.errors import InputError, UsageError
from slt_cli.evaluation.metrics import word_error_rate
from slt_cli.pipelines.evaluate import run_evaluate
from slt_cli.pipelines.export import plan_export, run_export
from slt_cli.pipelines.result import silent
from slt_cli.pipelines.translate import plan_translate, run_translate
from slt_cli.settings.load import load_settings
from slt_cli.synthetic.dataset import render_clip
from tests.corpora import write_corpus
from tests.pipelines.test_train import metrics, train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty clips of train are enough for the gloss heads to say something."""
    return write_corpus(tmp_path_factory.mktemp("data") / "corpus", train=20, val=3)


@pytest.fixture(scope="module")
def sign2gloss(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "sign2gloss"
    train(
        corpus, run, training__task="sign2gloss", training__epochs=6, training__generate_every=4,
        optim__lr=0.01,
    )  # fmt: skip
    return run


@pytest.fixture(scope="module")
def gloss2text(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "gloss2text"
    train(corpus, run, training__task="gloss2text")
    return run


def evaluated(run: Path, output: Path, **flags: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """`report.json` and the rows of `predictions.csv`."""
    result = run_evaluate(run, load_settings(flags={"eval.output_dir": output, **flags}), silent)
    report = json.loads((output / "report.json").read_text("utf-8"))
    assert result.facts == report
    with (output / "predictions.csv").open(encoding="utf-8", newline="") as table:
        return {**report, "warnings": result.warnings}, list(csv.DictReader(table, delimiter=";"))


def test_a_run_of_glosses_alone_is_scored_on_its_glosses(sign2gloss: Path, tmp_path: Path) -> None:
    report, rows = evaluated(sign2gloss, tmp_path / "out", **{"eval.split": "train"})
    assert (report["task"], report["clips"], report["decoding"]) == ("sign2gloss", 20, {})
    assert list(report["scores"]) == ["gloss"]
    said, true = ([row[key] for row in rows] for key in ("gloss_prediction", "gloss_reference"))
    assert any(said)
    assert all(true)
    assert report["scores"]["gloss"][0]["value"] == word_error_rate("WER", said, true).value
    assert {(row["prediction"], row["reference"]) for row in rows} == {("", "")}


def test_the_control_of_glosses_gives_them_to_other_clips(sign2gloss: Path, tmp_path: Path) -> None:
    flags = {"eval.split": "train", "eval.control": True}
    scores = evaluated(sign2gloss, tmp_path / "out", **flags)[0]["scores"]
    assert [score["name"] for score in scores["control"]] == ["gloss WER"]
    assert scores["control"][0]["value"] > scores["gloss"][0]["value"]


def test_eval_agrees_with_the_validation_of_training(sign2gloss: Path, tmp_path: Path) -> None:
    report, _ = evaluated(sign2gloss / "last.pt", tmp_path / "out", **{"eval.split": "val"})
    assert report["scores"]["gloss"][0]["value"] == metrics(sign2gloss)[-1]["gloss_wer"]


def test_glosses_that_training_never_showed_count_as_errors(
    sign2gloss: Path, tmp_path: Path
) -> None:
    other = write_corpus(tmp_path / "other", train=1, val=1, test=1)
    table = other / "annotations" / "gloss.csv"
    table.write_text("video_id;gloss;ctc_labels\ntest_000;NEVER SHOWN;\n", "utf-8")
    report, rows = evaluated(sign2gloss, tmp_path / "out", **{"data.corpus": other})
    assert rows[0]["gloss_reference"] == "NEVER SHOWN"
    assert report["scores"]["gloss"][0]["value"] >= 100


def test_a_run_from_glosses_to_text_is_scored_on_text_and_says_what_it_read(
    gloss2text: Path, tmp_path: Path
) -> None:
    report, rows = evaluated(gloss2text, tmp_path / "out")
    assert (report["task"], list(report["scores"])) == ("gloss2text", ["text"])
    assert {score["name"] for score in report["scores"]["text"]} >= {"BLEU-4", "chrF", "WER"}
    assert all(row["reference"].startswith("veo ") for row in rows)
    assert "texts are made of the true glosses, not of signing" in report["warnings"]


@pytest.mark.parametrize("task", ["sign2gloss", "gloss2text"])
def test_a_split_without_glosses_cannot_be_scored(
    request: pytest.FixtureRequest, tmp_path: Path, task: str
) -> None:
    other = write_corpus(tmp_path / "other", train=1, val=1, test=1)
    (other / "annotations" / "gloss.csv").unlink()
    with pytest.raises(InputError, match=f"no clip of the test split has glosses, and {task}"):
        evaluated(request.getfixturevalue(task), tmp_path / "out", **{"data.corpus": other})


@pytest.mark.parametrize("task", ["sign2gloss", "gloss2text"])
def test_no_bundle_is_made_of_a_run_that_makes_no_text_of_signing(
    request: pytest.FixtureRequest, tmp_path: Path, task: str
) -> None:
    run = request.getfixturevalue(task)
    loaded = load_settings(flags={"export.output": tmp_path / "bundle"})
    with pytest.raises(UsageError) as refused:
        run_export(run, loaded.settings, silent)
    assert refused.value.exit_code == 2
    assert refused.value.where == str(run / "best.pt")
    assert str(run / "best.pt") in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []
    assert refused.value.message in plan_export(run, loaded).facts["missing"][0]


def test_a_run_that_reads_glosses_translates_no_video(gloss2text: Path) -> None:
    loaded = load_settings(flags={"translate.model": gloss2text})
    with pytest.raises(UsageError, match="reads glosses, not signing") as refused:
        run_translate([Path("a.mp4")], loaded.settings, silent)
    assert "--init-checkpoint" in (refused.value.hint or "")
    assert any("not signing" in line for line in plan_translate([], loaded).facts["missing"])


@pytest.mark.parametrize("form", ["txt", "json"])
def test_a_run_of_glosses_alone_prints_glosses(sign2gloss: Path, tmp_path: Path, form: str) -> None:
    render_clip(tmp_path / "a.mp4", ["CASA"], "ana", 0)
    loaded = load_settings(
        flags={
            "translate.model": sign2gloss, "extract.estimator": "synthetic",
            "translate.format": form,
        }
    )  # fmt: skip
    result = run_translate([tmp_path / "a.mp4"], loaded.settings, silent)
    (row,) = result.facts["videos"]
    assert row["text"] == ""
    assert set(row["glosses"].split()) <= {"CASA", "LIBRO", "MAMÁ", "ESCUELA", "PERRO", "AGUA"}
    assert result.text == (row["glosses"] if form == "txt" else json.dumps(row, ensure_ascii=False))
    assert plan_translate([tmp_path / "a.mp4"], loaded).facts["missing"] == []


def test_no_key_of_the_metrics_is_null_where_the_task_has_no_value(
    sign2gloss: Path, gloss2text: Path
) -> None:
    lines = metrics(sign2gloss)
    assert {"perplexity", "val_perplexity", "bleu", "chrf", "wer"}.isdisjoint(lines[-1])
    assert [epoch["epoch"] for epoch in lines if epoch["gloss_wer"] is None] == [1, 2, 3, 5]
    assert all(value is not None for value in lines[-1].values())
    assert "gloss_wer" not in metrics(gloss2text)[0]
    assert metrics(gloss2text)[0]["perplexity"] > 0
