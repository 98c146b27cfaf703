"""`slt demo`, the whole road in small: the commands of the README, one after the other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.run_slt import SLT, clean_environment, files_in, json_object, slt

SMALL = ("--num-train", "40", "--num-val", "4", "--num-test", "6", "--epochs", "1")
VERBS = ("extract", "validate", "train", "eval", "export onnx", "translate")


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "slt-demo").mkdir()
    (tmp_path / "slt-demo" / "mine.txt").write_text("mine")
    done = slt("demo", *SMALL, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--overwrite" in done.stderr
    assert files_in(tmp_path) == {"slt-demo", "slt-demo/mine.txt"}


def test_the_plan_names_every_command_in_order(tmp_path: Path) -> None:
    steps = json_object(slt("demo", *SMALL, "--dry-run", "--json", cwd=tmp_path))["facts"]["steps"]
    assert steps[0] == "render 50 videos of a synthetic signer into slt-demo/videos/"
    for step, verb in zip(steps[1:], VERBS, strict=True):
        assert step.startswith(f"run: slt {verb} ")
    assert "--epochs 1" in steps[3]


@pytest.mark.slow
def test_the_demo_walks_the_whole_road(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SLT, "demo", *SMALL, "--json"], cwd=tmp_path, env=clean_environment(),
        capture_output=True, text=True, check=False, timeout=550,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    value = json_object(done)
    at = [done.stderr.index(f"$ slt {verb} ") for verb in VERBS]
    assert at == sorted(at)
    assert "landmarks come from the renderer, not from pixels" in done.stderr
    assert value["facts"]["estimator"] == "synthetic"
    assert value["facts"]["translated"]["estimator"] == "synthetic"
    root = tmp_path / "slt-demo"
    records = [json.loads(line) for line in (root / "corpus" / "metadata.jsonl").open()]
    assert {record["estimator"]["name"] for record in records} == {"synthetic"}
    assert {record["status"] for record in records} == {"ok"}
    assert len(records) == 50
    predictions = (root / "run" / "eval" / "test" / "predictions.csv").read_text("utf-8")
    assert len(predictions.splitlines()) == 1 + 6
    for place in value["outputs"]:
        assert (tmp_path / place).exists()
