from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from slt_cli.errors import UsageError
from slt_cli.pipelines import train as pipeline
from slt_cli.pipelines.result import silent
from slt_cli.settings.load import load_settings
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.corpora import write_corpus

TINY = [
    "train", "--preset", "tiny-cpu", "--quiet", "--epochs", "4", "--batch-size", "2",
    "--set", "model.d_model=16", "--set", "model.vocab_size=64",
    "--set", "training.generate_every=2", "--set", "training.save_every_steps=3",
    "--warmup-steps", "5",
]  # fmt: skip


def slt(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "slt_cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def train(corpus: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    return slt(*TINY, "--data", str(corpus), "--work-dir", str(run), *more)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "last.pt")["model"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "corpus")


@pytest.fixture(scope="module")
def uninterrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    code, _, err = finish(train(corpus, run))
    assert code == 0, err
    return run


def assert_same(a: Path, b: Path) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different


def test_kill_9_then_resume_ends_with_the_weights_of_an_uninterrupted_run(
    corpus: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    process = train(corpus, run)
    wait_for(run / "last.pt", process)
    process.send_signal(signal.SIGKILL)
    finish(process)
    stopped_at = load_checkpoint(run / "last.pt")["progress"]["step"]
    assert stopped_at < 16, "the run was over before it could be killed"
    code, _, err = finish(slt("train", "--work-dir", str(run), "--resume", "--quiet"))
    assert code == 0, err
    assert_same(run, uninterrupted)


def test_a_stop_signal_saves_and_names_the_resume_command(
    corpus: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "stopped"
    process = train(corpus, run)
    wait_for(run / "metrics.jsonl", process)
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert code == 143
    assert out == ""
    assert f"slt train --work-dir {run} --resume" in err
    code, _, err = finish(slt("train", "--work-dir", str(run), "--resume", "--quiet"))
    assert code == 0, err
    assert_same(run, uninterrupted)


def test_the_same_command_twice_gives_the_same_weights_also_with_workers(
    corpus: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    code, _, err = finish(train(corpus, tmp_path / "again", "--num-workers", "2"))
    assert code == 0, err
    assert_same(tmp_path / "again", uninterrupted)


def test_resuming_with_other_settings_is_refused_and_lists_them(
    corpus: Path, uninterrupted: Path
) -> None:
    code, _, err = finish(
        slt("train", "--work-dir", str(uninterrupted), "--resume", "--lr", "0.5", "--quiet")
    )
    assert code == 2
    assert "optim.lr: 0.002 -> 0.5" in err


def test_a_finished_run_resumes_to_nothing_and_keeps_its_weights(
    corpus: Path, uninterrupted: Path
) -> None:
    before = weights(uninterrupted)
    code, _, err = finish(slt("train", "--work-dir", str(uninterrupted), "--resume", "--quiet"))
    assert code == 0, err
    after = weights(uninterrupted)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_used_folder_is_refused_without_resume(corpus: Path, uninterrupted: Path) -> None:
    code, _, err = finish(train(corpus, uninterrupted))
    assert code == 2
    assert "--resume" in err


def test_two_processes_cannot_train_in_one_folder(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "shared"
    first = train(corpus, run, "--epochs", "400")
    wait_for(run / ".lock", first)
    code, _, err = finish(train(corpus, run))
    assert code == 2
    assert str(first.pid) in err or "already holds a run" in err
    first.kill()
    finish(first)


def test_a_run_that_another_process_finished_meanwhile_is_not_overwritten(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "raced"
    prepare = pipeline._prepare

    def slow_prepare(*arguments: object) -> object:
        prepared = prepare(*arguments)
        save_checkpoint(run / "last.pt", {"kind": "of the other process"})
        return prepared

    monkeypatch.setattr(pipeline, "_prepare", slow_prepare)
    flags = {"data.corpus": str(corpus), "data.work_dir": str(run)}
    with pytest.raises(UsageError, match="already holds a run"):
        pipeline.run_train(load_settings(preset="tiny-cpu", flags=flags), silent)
    assert load_checkpoint(run / "last.pt")["kind"] == "of the other process"


def test_ctrl_c_to_the_whole_group_with_workers_saves(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "group"
    process = slt(
        *TINY, "--data", str(corpus), "--work-dir", str(run), "--num-workers", "2",
        "--epochs", "400", start_new_session=True,
    )  # fmt: skip
    wait_for(run / "last.pt", process)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130, err
    assert load_checkpoint(run / "last.pt")["progress"]["step"] > 0
