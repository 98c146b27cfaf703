"""`slt train --dry-run`: what it says a run would cost, and what a run then costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slt_cli.pipelines import train_cost
from slt_cli.pipelines.train_plan import plan_train
from slt_cli.settings.load import Loaded, load_settings
from tests.cli.run_slt import clean_environment
from tests.corpora import write_corpus


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SLT_ASSETS", "SLT_SINGLE_SIGNER_CHECKPOINT"):
        monkeypatch.delenv(name, raising=False)
    return write_corpus(tmp_path / "corpus", train=6, val=2, test=1)


def asked(*assignments: str) -> Loaded:
    return load_settings(preset="tiny-cpu", assignments=assignments)


def test_every_line_is_something_the_run_would_do(corpus: Path) -> None:
    before = set(corpus.parent.rglob("*"))
    lines = plan_train(asked()).text.splitlines()
    assert lines[0] == "would train on 6 clips, validate on 2"
    assert "would read keypoints" in lines
    assert all(line.startswith("would ") for line in lines)
    assert set(corpus.parent.rglob("*")) == before


def test_the_costs_are_facts_too(corpus: Path) -> None:
    estimate = plan_train(asked("training.epochs=3")).facts["estimate"]
    assert set(estimate["parameters"]) == {"mska", "mapper", "decoder"}
    assert estimate["updates"] == 3 * 2  # of 4 and 2 clips
    assert "measured" in estimate["memory_how"]
    assert 100 < estimate["memory_mib"] < 20_000
    assert estimate["train_s"] > 0
    json.dumps(estimate)


@pytest.mark.parametrize(
    ("assignments", "updates"),
    [
        (["training.max_train_steps=5"], 5),
        (["training.max_train_steps=500"], 10),
        (["optim.grad_accum_steps=2"], 5),
        (["data.batch_size=1"], 30),
    ],
)
def test_updates_are_those_of_the_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, assignments: list[str], updates: int
) -> None:
    cost = train_cost._Cost(1, "", 1.0, 0.0, "")
    monkeypatch.setattr(train_cost, "_measured", lambda planned: cost)
    assert plan_train(asked(*assignments)).facts["estimate"]["updates"] == updates


@pytest.mark.slow
def test_a_large_model_is_counted_and_says_so(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_cost, "MEASURED_PARAMETERS", {"cpu": 0, "cuda": 0})
    estimate = plan_train(asked()).facts["estimate"]
    assert estimate["memory_how"].startswith("counted")
    assert "twice as long or half" in estimate["time_how"]
    assert estimate["train_s"] > 0


def test_folders_that_nothing_reads_are_named(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = train_cost._Cost(1, "", 1.0, 0.0, "")
    monkeypatch.setattr(train_cost, "_measured", lambda planned: cost)
    text = plan_train(asked("data.face_dir=corpus/face")).text
    assert "would read keypoints; nothing reads data.face_dir (add to --streams)" in text


def test_a_starting_checkpoint_that_is_missing_is_named(corpus: Path) -> None:
    plan = plan_train(asked("training.pretrained_checkpoint=gone.pt"))
    assert any("gone.pt" in line for line in plan.facts["missing"])
    assert "estimate" not in plan.facts


def test_a_decoder_that_is_missing_is_named_with_the_folder_to_fill(corpus: Path) -> None:
    plan = plan_train(asked("model.decoder_model=nobody/t5", "model.d_model=48"))
    assert any("fill the folder" in line for line in plan.facts["missing"])


def timed_by_the_processor(*arguments: str, cwd: Path) -> str:
    """Stdout of `slt ARGUMENTS`."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("cpu_clock.py")), *arguments],
        cwd=cwd, env=clean_environment(PYTHONPATH=os.pathsep.join(sys.path)), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_estimates_are_within_a_quarter_of_a_measured_run(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", train=48, val=2, test=1, frames=60)
    # The processor itself is slower beside busy neighbours, and they come and go between the two.
    tries = (estimated_and_measured(tmp_path, f"run-{number}") for number in range(3))
    assert any(close(estimated, measured) for estimated, measured in tries)


def close(estimated: dict[str, float], measured: dict[str, float]) -> bool:
    assert estimated["memory_mib"] == pytest.approx(measured["memory_mib"], rel=0.25)
    assert estimated["disk_mib"] == pytest.approx(measured["disk_mib"], rel=0.25)
    return estimated["train_s"] == pytest.approx(measured["train_s"], rel=0.25)


def estimated_and_measured(root: Path, name: str) -> tuple[dict[str, float], dict[str, float]]:
    run = (
        "train", "--preset", "keypoints-small", "--epochs", "2", "--generate-every", "2",
        "--work-dir", name,
    )  # fmt: skip
    plan = json.loads(timed_by_the_processor(*run, "--dry-run", "--json", cwd=root))
    timed_by_the_processor(*run, cwd=root)
    epochs = [json.loads(line) for line in (root / name / "metrics.jsonl").read_text().splitlines()]
    return plan["facts"]["estimate"], {
        "train_s": sum(epoch["train_s"] for epoch in epochs),
        "memory_mib": max(epoch["peak_memory_mib"] for epoch in epochs),
        "disk_mib": sum((root / name / f).stat().st_size for f in ("last.pt", "best.pt")) / 2**20,
    }
