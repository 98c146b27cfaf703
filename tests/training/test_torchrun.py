"""`torchrun -m slt_cli train`: what the user sees, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from slt_cli.storage.atomic import read_jsonl
from slt_cli.storage.checkpoint import load_checkpoint
from slt_cli.training.run_folder import RunFolder
from tests.cli.run_slt import clean_environment, files_in, slt
from tests.corpora import write_corpus
from tests.training.test_distributed import ROOT, free_port

LIMIT_S = 500
STILL = (  # nothing is drawn at random, so that two processes can learn what one learns
    "--optimizer", "sgd", "--lr", "0.001", "--set", "model.mska_dropout=0",
    "--set", "model.decoder_dropout=0",
)  # fmt: skip
TRACKED = ("--tensorboard",) if find_spec("tensorboard") else ()


def torchrun(*arguments: str | Path) -> list[str]:
    return [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--master_addr", "127.0.0.1", "--master_port", str(free_port()),
        "-m", "slt_cli", *map(str, arguments),
    ]  # fmt: skip


def environment() -> dict[str, str]:
    return clean_environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A run in two processes that does not outlive the test."""
    process = subprocess.Popen(
        torchrun(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip
    try:
        yield process
    finally:
        for one in (*children(process.pid), process.pid):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def children(pid: int) -> list[int]:
    """The processes that `pid` started, the oldest first."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def process_of_rank(rank: int, process: subprocess.Popen[str]) -> int:
    return next(
        pid for pid in children(process.pid)
        if f"\0RANK={rank}\0" in "\0" + Path(f"/proc/{pid}/environ").read_text() + "\0"
    )  # fmt: skip


def wait_for_update(process: subprocess.Popen[str], run: Path, step: int = 0) -> None:
    """Until `last.pt` holds more than `step` updates."""
    deadline = time.monotonic() + LIMIT_S
    while (
        not (run / "last.pt").exists()
        or load_checkpoint(run / "last.pt")["progress"]["step"] <= step
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def told(process: subprocess.Popen[str]) -> str:
    """Stderr of a run that has no result."""
    out, err = process.communicate(timeout=LIMIT_S)
    assert out == ""
    assert process.returncode == 1  # of torchrun, whatever the code of a process is
    return err


def tiny(corpus: Path, run: Path, epochs: int, *more: str) -> list[str | Path]:
    return [
        "train", "--preset", "tiny-cpu", "--data", corpus, "--work-dir", run, "--epochs",
        str(epochs), "--batch-size", "3", "--num-workers", "1", "--generate-every", "100", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "corpus", train=7)


def test_what_is_wrong_in_all_processes_is_told_by_the_first_with_the_code_of_all(
    tmp_path: Path,
) -> None:
    wrong = ("train", "--data", tmp_path / "nowhere", "--json")
    first, second = (
        slt(*wrong, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", PYTHONPATH=str(ROOT))
        for rank in "01"
    )
    assert first.returncode == second.returncode == 2
    assert first.stdout.count("\n") == 1
    assert first.stderr.count("error [SLT-E002]") == 1
    assert second.stdout == second.stderr == ""


@pytest.mark.slow
def test_two_processes_train_as_one_and_only_the_first_speaks_and_writes(
    corpus: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone = slt(*tiny(corpus, one, 2, *STILL, *TRACKED), OMP_NUM_THREADS="1")
    with started(*tiny(corpus, two, 2, *STILL, *TRACKED)) as process:
        out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == alone.returncode == 0, err
    assert out.splitlines() == [str(two)]
    assert events(err) == events(alone.stderr)
    assert len(re.findall("^epoch 1 ", err, re.MULTILINE)) == 1
    assert written(two) == written(one)
    for ours, theirs in zip(
        *(read_jsonl(run / "metrics.jsonl") for run in (two, one)), strict=True
    ):
        for name in ("loss", "loss_translation", "loss_ctc", "loss_distillation", "val_loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
    ours, theirs = (load_checkpoint(run / "last.pt") for run in (two, one))
    assert (ours["processes"], theirs["processes"]) == (2, 1)
    for name, weight in theirs["model"].items():
        torch.testing.assert_close(ours["model"][name], weight, rtol=1e-4, atol=1e-5)


def events(text: str) -> list[str]:
    """First word of each line of progress that does not depend on the time, sorted."""
    lines = [line for line in text.splitlines() if re.match("(model|epoch|note|warning) ", line)]
    return sorted(line.split()[0] for line in lines)


def written(run: Path) -> set[str]:
    return {re.sub(r"events\.out.*", "events", name) for name in files_in(run)}


@pytest.mark.slow
def test_a_stop_signal_to_one_process_or_to_all_saves_and_the_run_goes_on(
    corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(*tiny(corpus, run, 400)) as process:
        wait_for_update(process, run)
        os.kill(process_of_rank(1, process), signal.SIGTERM)
        err = told(process)
    assert err.count("training stopped and saved") == 1
    assert RunFolder(run).status == "interrupted"
    step = load_checkpoint(run / "last.pt")["progress"]["step"]
    with started("train", "--work-dir", run, "--resume") as process:
        wait_for_update(process, run, step)
        process.send_signal(signal.SIGTERM)
        err = told(process)
    assert err.count("training stopped and saved") == err.count("stopping cleanly") == 1
    assert RunFolder(run).status == "interrupted"


@pytest.mark.slow
def test_the_death_of_one_process_ends_the_run_with_a_message_and_it_can_be_resumed(
    corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(*tiny(corpus, run, 400)) as process:
        wait_for_update(process, run)
        others = [pid for rank in (0, 1) for pid in children(process_of_rank(rank, process))]
        os.kill(process_of_rank(1, process), signal.SIGKILL)
        started_at = time.monotonic()
        err = told(process)
    assert time.monotonic() - started_at < 120
    assert err.count("process 0 of 2 stopped, because another one failed") == 1
    assert RunFolder(run).status == "failed"
    assert load_checkpoint(run / "last.pt")["progress"]["step"] > 0
    while any(Path("/proc", str(pid)).exists() for pid in others):
        assert time.monotonic() - started_at < 180  # data-loading processes look every 5 s
        time.sleep(1)


@pytest.mark.slow
def test_a_setting_that_is_wrong_is_told_once(corpus: Path, tmp_path: Path) -> None:
    with started(*tiny(corpus, tmp_path / "run", 1, "--set", "data.batch_sise=2")) as process:
        err = told(process)
    assert err.count("error [SLT-E002]") == 1
    assert re.search(r"exitcode *: 2", err)
    assert not (tmp_path / "run").exists()
