"""`--dry-run` of every command: says what it would do, needs no data, writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.made import World
from tests.cli.run_slt import json_object, slt
from tests.cli.test_verbs import stamps

COMMANDS = {
    "extract": ("extract", "videos", "-o", "new", "--estimator", "synthetic"),
    "validate": ("validate", "corpus"),
    "pretrain": ("pretrain", "--train-dir", "clips/face"),
    "train": ("train", "--preset", "tiny-cpu", "--work-dir", "work_dirs/new"),
    "eval": ("eval",),
    "export": ("export", "onnx", "-o", "new"),
    "translate": ("translate", "videos/a.mp4"),
    "demo": ("demo",),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_plan_with_everything_there_lacks_nothing_and_writes_nothing(
    world: World, command: str
) -> None:
    before, folders = stamps(world.root), set(world.root.rglob("*"))
    done = slt(*COMMANDS[command], "--dry-run", cwd=world.root)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines
    assert all(line.startswith("would ") for line in lines)
    assert stamps(world.root) == before
    assert set(world.root.rglob("*")) == folders


@pytest.mark.parametrize("command", COMMANDS)
def test_a_plan_without_data_says_what_is_missing(tmp_path: Path, command: str) -> None:
    value = json_object(slt(*COMMANDS[command], "--dry-run", "--json", cwd=tmp_path))
    assert (value["status"], value["exit_code"]) == ("planned", 0)
    assert bool(value["facts"]["missing"]) == (command != "demo")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_says_that_the_run_is_taken_and_how_to_go_on(world: World) -> None:
    taken = slt("train", "--preset", "tiny-cpu", "--dry-run", cwd=world.root)
    assert "missing: the work folder already holds a run" in taken.stdout
    going_on = slt(
        "train", "--work-dir", "work_dirs/tiny-cpu", "--resume", "--dry-run", cwd=world.root
    )
    assert going_on.stdout.splitlines() == [
        "would train on 4 clips, validate on 2",
        "would run 1 epochs and write work_dirs/tiny-cpu/",
    ]


def test_a_backbone_that_is_not_there_is_named(world: World) -> None:
    for spec in ("file::gone.pt:custom", "file::gone.pt"):
        done = slt(
            "train", "--set", "model.streams=face", "--face-backbone", spec, "--dry-run",
            cwd=world.root,
        )  # fmt: skip
        assert "missing: gone.pt (model.face_backbone; slt pretrain writes it)" in done.stdout
