from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from slt_cli.errors import MissingAsset, SltError, UsageError
from slt_cli.storage.checkpoint import load_checkpoint
from slt_cli.training.distributed import (
    average_gradients,
    lost_processes,
    require_same,
    same_everywhere,
    start_processes,
    stop_processes,
    sum_over_processes,
    world,
)
from tests.corpora import write_corpus

HERE = Path(__file__).parent
CPU = torch.device("cpu")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run_together(script: Path, *arguments: str, size: int = 2) -> list[tuple[int, str]]:
    """Exit code and stderr of `size` processes that find each other as under torchrun."""
    port = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, str(script), *arguments], stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "PYTHONPATH": str(HERE.parents[1]), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port, "RANK": str(rank), "WORLD_SIZE": str(size),
            },
        )
        for rank in range(size)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=280)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    return [(p.returncode, text) for p, text in zip(started, errors, strict=True)]


def test_alone_nothing_is_started_and_nothing_changes() -> None:
    assert (start_processes(CPU).rank, world().size, world().is_main) == (0, 1, True)
    assert sum_over_processes([1, 0.5]) == [1.0, 0.5]
    assert same_everywhere(7) == 7
    require_same("anything", "data")
    model = nn.Linear(2, 2)
    average_gradients(model)
    assert model.weight.grad is None
    stop_processes()


def test_one_process_under_torchrun_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert start_processes(CPU).size == 1


def test_an_incomplete_environment_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(UsageError, match="MASTER_ADDR") as told:
        start_processes(CPU)
    assert "torchrun" in str(told.value.hint)


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="GPU of its own"):
        start_processes(torch.device("cuda:0"))
    with pytest.raises(MissingAsset, match="process 1 of this machine has no GPU: there are 1"):
        start_processes(torch.device("cuda"))


def test_errors_that_are_not_about_other_processes_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), lost_processes():
        raise RuntimeError("shapes do not fit")
    with pytest.raises(SltError, match="another one failed"), lost_processes():
        raise torch.distributed.DistBackendError("NCCL communicator was aborted")


def test_two_processes_agree_and_add_up() -> None:
    """What `together.py` asserts inside the processes."""
    for code, errors in run_together(HERE / "together.py"):
        assert code == 0, errors


def test_the_death_of_one_process_ends_the_other_at_once_with_one_message() -> None:
    started = time.monotonic()
    (dead, _), (code, errors) = run_together(HERE / "together.py", "die")
    assert dead == -signal.SIGKILL
    assert code == 1, errors
    assert errors.splitlines()[-1] == (
        "told: process 1 of 2 stopped, because another one failed or does not answer"
    )
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Twenty updates on clips of unequal lengths, some batches with a clip for one process only."""
    script, one, two = HERE / "two_processes.py", tmp_path / "one.pt", tmp_path / "two.pt"
    for size, out in ((1, one), (2, two)):
        for code, errors in run_together(script, str(out), size=size):
            assert code == 0, errors
    alone, together = torch.load(one, weights_only=True), torch.load(two, weights_only=True)
    assert (alone["size"], together["size"]) == (1, 2)
    assert alone["clips"] == together["clips"]
    assert {1.0, 4.0} <= set(alone["clips"])
    torch.testing.assert_close(
        torch.tensor(together["losses"]), torch.tensor(alone["losses"]), rtol=1e-4, atol=1e-6
    )
    assert alone["losses"][-1][0] < 0.8 * alone["losses"][0][0]
    for name, weight in alone["model"].items():
        apart = (together["model"][name].double() - weight.double()).norm()
        assert apart <= 1e-4 * weight.double().norm() + 1e-6, name


def torchrun(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
            "--master_addr", "127.0.0.1", "--master_port", str(free_port()),
            "-m", "slt_cli", *arguments,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=280)
    finally:
        process.kill()
    return process.returncode, out, err


def tiny_run(corpus: Path, run: Path, epochs: int) -> list[str]:
    return [
        "train", "--preset", "tiny-cpu", "--data", str(corpus), "--work-dir", str(run),
        "--epochs", str(epochs), "--batch-size", "3", "--num-workers", "1",
    ]  # fmt: skip


def stopped_after(process: subprocess.Popen[str], run: Path, step: int) -> str:
    """Stderr of a run that was asked to stop once `last.pt` holds more than `step` updates."""
    deadline = time.monotonic() + 240
    while (
        not (run / "last.pt").exists()
        or load_checkpoint(run / "last.pt")["progress"]["step"] <= step
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, out, err = finish(process)
    assert out == ""
    return err


@pytest.mark.slow
def test_torchrun_trains_and_only_the_first_process_gives_the_result(tmp_path: Path) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    code, out, err = finish(torchrun(*tiny_run(corpus, run, epochs=2)))
    assert code == 0, err
    assert out.splitlines() == [str(run)]
    assert len((run / "metrics.jsonl").read_text("utf-8").splitlines()) == 2
    assert load_checkpoint(run / "last.pt")["processes"] == 2


@pytest.mark.slow
def test_a_stop_signal_to_torchrun_saves_and_the_run_goes_on_from_there(tmp_path: Path) -> None:
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    err = stopped_after(torchrun(*tiny_run(corpus, run, epochs=400)), run, step=0)
    assert "training stopped and saved" in err
    step = load_checkpoint(run / "last.pt")["progress"]["step"]
    again = torchrun("train", "--work-dir", str(run), "--resume")
    assert "training stopped and saved" in stopped_after(again, run, step)
