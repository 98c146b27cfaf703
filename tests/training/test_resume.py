from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slt_cli.errors import InputError, Interrupted, UsageError
from slt_cli.pipelines.result import silent
from slt_cli.pipelines.train import run_train
from slt_cli.pipelines.training import prepare as preparing
from slt_cli.settings.load import load_settings
from slt_cli.storage.atomic import read_jsonl
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


def train_here(corpus: Path, run: Path, report: Callable[..., None] = silent, **flags: Any) -> None:
    """The same run in this process, unless `flags` (`section__name`) say otherwise."""
    tiny = {
        "data.corpus": corpus, "data.work_dir": run, "data.batch_size": 2, "model.d_model": 16,
        "model.vocab_size": 64, "training.epochs": 2, "training.generate_every": 2,
        "optim.warmup_steps": 4, "optim.grad_accum_steps": 2,
    }  # fmt: skip
    given = {key.replace("__", "."): value for key, value in flags.items()}
    if given.get("training.resume"):
        tiny = {"data.work_dir": run}
    loaded = load_settings(preset=None if "training.resume" in given else "tiny-cpu",
                           flags={**tiny, **given})  # fmt: skip
    run_train(loaded, report)


def signal_at(number: int, event: str, value: int) -> Callable[..., None]:
    """A report that sends this process a signal at an update or at the end of an epoch."""

    def report(told: str, **facts: Any) -> None:
        if told == event and facts["done" if event == "train" else "epoch"] == value:
            os.kill(os.getpid(), number)

    return report


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
    prepare = preparing.prepare

    def slow_prepare(*arguments: object) -> object:
        prepared = prepare(*arguments)
        save_checkpoint(run / "last.pt", {"kind": "of the other process"})
        return prepared

    monkeypatch.setattr(preparing, "prepare", slow_prepare)
    with pytest.raises(UsageError, match="already holds a run"):
        train_here(corpus, run)
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


@pytest.fixture(scope="module")
def uninterrupted_here(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "here"
    train_here(corpus, run)
    return run


@pytest.mark.parametrize(
    ("number", "event", "value", "workers"),
    [
        (signal.SIGTERM, "train", 1, 0),  # in the warm-up
        (signal.SIGUSR1, "train", 2, 0),  # the last update of an epoch
        (signal.SIGINT, "epoch", 1, 0),  # in the validation
        (signal.SIGTERM, "train", 3, 2),
    ],
)
def test_a_run_stopped_by_any_signal_anywhere_goes_on_bit_by_bit(
    corpus: Path, uninterrupted_here: Path, tmp_path: Path,
    number: int, event: str, value: int, workers: int,
) -> None:  # fmt: skip
    run = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        train_here(corpus, run, signal_at(number, event, value), data__num_workers=workers)
    assert caught.value.exit_code == 128 + number
    step = load_checkpoint(run / "last.pt")["progress"]["step"]
    assert step == (2 if event == "epoch" else value)
    train_here(corpus, run, training__resume=True, data__num_workers=2 - workers)
    assert_same(run, uninterrupted_here)
    epochs = [line["epoch"] for line in read_jsonl(run / "metrics.jsonl")]
    assert epochs == [1, 2]


def test_a_damaged_last_checkpoint_costs_no_more_than_the_updates_since_the_one_before(
    corpus: Path, uninterrupted_here: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train_here(
            corpus, run, signal_at(signal.SIGTERM, "train", 4), training__save_every_steps=3,
            training__keep_steps=True,
        )  # fmt: skip
    assert sorted(path.name for path in run.glob("*.pt")) == ["best.pt", "last.pt", "step-3.pt"]
    (run / "last.pt").write_bytes((run / "last.pt").read_bytes()[:1000])
    told: list[str] = []
    train_here(
        corpus, run, lambda event, **facts: told.append(str(facts.get("text"))),
        training__resume=True,
    )  # fmt: skip
    assert any("last.pt" in text and "not read" in text for text in told)
    assert any("going on from" in text and "step-3.pt" in text for text in told)
    assert_same(run, uninterrupted_here)


def test_a_corpus_that_changed_is_refused_with_the_clips(tmp_path: Path) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    with pytest.raises(Interrupted):
        train_here(corpus, run, signal_at(signal.SIGTERM, "train", 1))
    meta = (corpus / "meta.csv").read_text("utf-8")
    (corpus / "meta.csv").write_text(meta.replace("train_003;veo", "train_003;toco"), "utf-8")
    index = corpus / "index" / "val.csv"
    index.write_text(index.read_text("utf-8").replace("val_001\n", ""), "utf-8")
    with pytest.raises(UsageError, match="the corpus changed") as caught:
        train_here(corpus, run, training__resume=True)
    assert "gone: val/val_001" in caught.value.message
    assert "changed: train/train_003" in caught.value.message


def test_device_workers_and_paths_of_assets_may_change(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train_here(corpus, run, signal_at(signal.SIGTERM, "train", 1))
    train_here(
        corpus, run, training__resume=True, training__device="cpu", data__num_workers=0,
        data__tokenizer_search_path=[str(tmp_path)],
    )  # fmt: skip
    assert load_checkpoint(run / "last.pt")["settings"]["training"]["device"] == "cpu"


def test_a_run_of_an_older_slt_cannot_go_on_and_says_so(
    corpus: Path, uninterrupted_here: Path, tmp_path: Path
) -> None:
    payload = load_checkpoint(uninterrupted_here / "last.pt")
    del payload["scaler"], payload["clips"]
    save_checkpoint(tmp_path / "last.pt", {**payload, "version": "0.1"})
    with pytest.raises(InputError, match=r"slt 0.1 wrote this run.*no clips, scaler") as caught:
        train_here(corpus, tmp_path, training__resume=True)
    assert "--init-checkpoint" in str(caught.value.hint)
