from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from slt_cli.errors import MissingAsset, SltError, UsageError
from slt_cli.training.distributed import (
    average_gradients,
    end_together,
    largest,
    lost_processes,
    require_same,
    same_everywhere,
    start_processes,
    stop_processes,
    sum_over_processes,
    world,
)
from tests.training.two_processes import STEPS, learn

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run_together(script: str, *arguments: str) -> list[tuple[int, str]]:
    """Exit codes and stderr of two processes that find each other as under torchrun."""
    port = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"tests.training.{script}", *arguments],
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RANK": str(rank),
                "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            },
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=500)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    return [(p.returncode, text) for p, text in zip(started, errors, strict=True)]


def numbers(rows: list[Any]) -> torch.Tensor:
    return torch.tensor([list(row.values() if isinstance(row, dict) else row) for row in rows])


def test_alone_nothing_is_started_and_nothing_changes() -> None:
    assert (start_processes(CPU).rank, world().size, world().is_main) == (0, 1, True)
    assert sum_over_processes([1, 0.5]) == [1.0, 0.5]
    assert same_everywhere(7) == largest(7) == 7
    end_together()
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
    """And all processes of a machine say so alike, those that could have one too."""
    environment = {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="GPU of its own"):
        start_processes(torch.device("cuda:0"))
    with pytest.raises(MissingAsset, match="2 processes on this machine, but only 1 GPUs"):
        start_processes(torch.device("cuda"))


def test_errors_that_are_not_about_other_processes_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), lost_processes():
        raise RuntimeError("shapes do not fit")
    with pytest.raises(SltError, match="another one failed"), lost_processes():
        raise torch.distributed.DistBackendError("NCCL communicator was aborted")


def test_two_processes_agree_and_the_death_of_one_ends_the_other_with_a_message() -> None:
    """What `together.py` asserts inside the processes."""
    (dead, errors), (code, told) = run_together("together")
    assert dead == -signal.SIGKILL, errors
    assert code == 1, told
    assert told.splitlines()[-1] == (
        "told: process 1 of 2 stopped, because another one failed or does not answer"
    )


def test_two_processes_learn_in_twenty_updates_what_one_learns(tmp_path: Path) -> None:
    """On clips of unequal lengths, some batches with a clip for one process only."""
    for code, errors in run_together("two_processes", str(tmp_path / "two.pt")):
        assert code == 0, errors
    alone, together = learn(), torch.load(tmp_path / "two.pt", weights_only=True)
    assert (alone["size"], together["size"]) == (1, 2)
    assert len(alone["updates"]) == STEPS
    close = {"rtol": 1e-4, "atol": 0.0}
    for name in ("updates", "epochs"):
        torch.testing.assert_close(numbers(together[name]), numbers(alone[name]), **close)
    assert alone["epochs"][-1]["loss"] < 0.8 * alone["epochs"][0]["loss"]
    for name, weight in alone["model"].items():
        apart = (together["model"][name].double() - weight.double()).norm()
        # A bias in front of a norm changes no loss: its gradient is nothing but rounding.
        assert apart <= 1e-4 * weight.double().norm() + 1e-5, name
