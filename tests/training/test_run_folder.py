from __future__ import annotations

import os
from pathlib import Path

import pytest

from slt_cli.errors import InputError, UsageError
from slt_cli.storage.checkpoint import save_checkpoint
from slt_cli.storage.hashes import sha256_file
from slt_cli.training.run_folder import RunFolder, find_checkpoint, read_run


def run(root: Path, name: str, status: str, modified: int) -> Path:
    folder = RunFolder(root / name)
    folder.save({"kind": "translator"}, best=True)
    folder.finish(status)
    os.utime(folder.artifacts_path, (modified, modified))
    return folder.path


def test_the_newest_finished_run_is_meant_when_none_is_named(tmp_path: Path) -> None:
    run(tmp_path, "old", "completed", 100)
    newest = run(tmp_path, "newer", "completed", 200)
    run(tmp_path, "stopped", "interrupted", 300)
    assert find_checkpoint(None, tmp_path) == newest / "best.pt"


def test_without_a_finished_run_the_next_command_is_named(tmp_path: Path) -> None:
    run(tmp_path, "stopped", "interrupted", 300)
    with pytest.raises(UsageError) as caught:
        find_checkpoint(None, tmp_path)
    assert "slt train" in str(caught.value.hint)


def test_best_is_preferred_and_last_will_do(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.save({"kind": "translator"}, best=False)
    assert find_checkpoint(folder.path) == folder.last
    folder.save({"kind": "translator"}, best=True)
    assert find_checkpoint(folder.path) == folder.best
    with pytest.raises(InputError):
        find_checkpoint(tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "dino.pt", {"kind": "pretrain"})
    with pytest.raises(InputError, match="translation run"):
        read_run(tmp_path / "dino.pt")


def test_an_epoch_logged_again_after_a_crash_replaces_the_old_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for epoch, loss in ((1, 3.0), (2, 2.0), (3, 9.9), (3, 1.0)):
        folder.log_epoch({"epoch": epoch, "loss": loss})
    assert [(r["epoch"], r["loss"]) for r in folder.metrics()] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_artifacts_name_every_file_with_its_hash(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_config({"a": 1})
    folder.finish("completed")
    import json

    listed = json.loads(folder.artifacts_path.read_text())["files"]
    assert listed["config.json"]["sha256"] == sha256_file(folder.config_path)
    assert folder.status == "completed"
