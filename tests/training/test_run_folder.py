from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from slt_cli.errors import InputError, UsageError
from slt_cli.storage.checkpoint import save_checkpoint
from slt_cli.storage.hashes import sha256_file
from slt_cli.training.run_folder import RunFolder, find_checkpoint, read_run
from slt_cli.training.run_log import RunLog


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
    listed = json.loads(folder.artifacts_path.read_text())["files"]
    assert listed["config.json"]["sha256"] == sha256_file(folder.config_path)
    assert folder.status == "completed"


def at(step: int) -> dict[str, object]:
    return {"kind": "translator", "progress": {"step": step}}


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_run_goes_on_from_last_pt_and_says_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(at(4), best=True, step=4)
    folder.save(at(8), best=False)
    found = folder.newest()
    assert (found.path, found.payload["progress"]["step"], found.refused) == (folder.last, 8, ())


def test_steps_are_kept_beside_the_last_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (5, 10):
        folder.save(at(step), best=False, step=step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.pt", "step-10.pt", "step-5.pt"]
    assert folder.checkpoints()[1].name == "step-10.pt"  # by number, not by letters


@pytest.mark.parametrize(
    ("best", "steps", "expected"),
    [(3, [2], "best.pt"), (3, [9, 10], "step-10.pt"), (None, [9], "step-9.pt"), (3, [], "best.pt")],
)
def test_with_a_damaged_last_pt_the_furthest_of_the_others_is_taken(
    tmp_path: Path, best: int | None, steps: list[int], expected: str
) -> None:
    folder = RunFolder(tmp_path)
    if best is not None:
        folder.save(at(best), best=True)
    for step in steps:
        folder.save(at(step), best=False, step=step)
    folder.save(at(11), best=False)
    damage(folder.last)
    found = folder.newest()
    assert found.path.name == expected
    assert len(found.refused) == 1
    assert found.refused[0].startswith("last.pt: damaged")


def test_a_damaged_step_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (5, 10):
        folder.save(at(step), best=False, step=step)
    damage(folder.last)
    damage(tmp_path / "step-10.pt")
    found = folder.newest()
    assert found.path.name == "step-5.pt"
    assert [line.partition(":")[0] for line in found.refused] == ["last.pt", "step-10.pt"]


def test_a_removed_last_pt_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(at(3), best=True)
    folder.last.unlink()
    assert folder.newest().refused == ("last.pt: not there",)
    with pytest.raises(UsageError, match="already holds a run"):
        folder.refuse_if_used()


def test_when_nothing_can_be_read_all_that_was_tried_is_listed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(at(3), best=True)
    damage(folder.last)
    save_checkpoint(folder.best, {"model": {}})
    with pytest.raises(InputError) as caught:
        folder.newest()
    assert re.search(r"last\.pt: damaged.*best\.pt: holds no training", caught.value.message, re.S)
    assert caught.value.exit_code == 3


def test_an_empty_folder_has_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        RunFolder(tmp_path).newest()


def test_the_report_is_written_from_what_lies_in_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "my-run")
    folder.write_config({"overrides": {"optim.lr": {"value": 0.25, "origin": "--lr"}}})
    for epoch in range(1, 4):
        folder.log_epoch({"epoch": epoch, "loss": 4 / epoch, "val_loss": 5.0, "bleu": None})
        folder.write_samples(epoch, [{"prediction": f"said {epoch}", "reference": "true"}])
    folder.write_samples(4, [{"prediction": "of an epoch that is lost", "reference": "true"}])
    folder.write_report()
    page = folder.report_path.read_text("utf-8")
    assert all(text in page for text in ("my-run", "optim.lr", "0.25", "said 3"))
    assert "that is lost" not in page
    assert "# my-run" in (folder.path / "card.md").read_text("utf-8")
    assert (folder.path / "plots" / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder.path / "plots" / "scores.png").exists()  # nothing was scored
    folder.finish("completed")
    listed = set(json.loads(folder.artifacts_path.read_text())["files"])
    assert {"report.html", "card.md", "plots/losses.png", "samples/epoch-001.json"} <= listed


def test_a_folder_without_epochs_has_a_report_too(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_report()
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "plots").exists()


def test_the_log_has_a_time_on_every_line_and_grows(tmp_path: Path) -> None:
    heard: list[str] = []
    folder = RunFolder(tmp_path)
    config = {"slt": "1.0", "overrides": {"optim.lr": {"value": 0.25, "origin": "--lr"}}}
    for _ in range(2):
        log = RunLog(folder.log_path, lambda event, **facts: heard.append(event))
        log.begin(config)
        log("train", done=1, total=2)
        log("warning", text="two\nlines")
        log("epoch", epoch=1, loss=0.5, bleu=None)
    lines = folder.log_path.read_text("utf-8").splitlines()
    assert heard == ["train", "warning", "epoch"] * 2
    assert [re.sub(r"^\S+ \S+  ", "", line) for line in lines[:4]] == [
        "begin  slt 1.0", "setting  optim.lr = 0.25  (--lr)", "warning  two lines",
        "epoch  epoch 1  loss 0.5",
    ]  # fmt: skip
    assert len(lines) == 8
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]", line) for line in lines)
