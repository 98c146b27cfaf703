from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from slt_cli.errors import Diverged, OutOfResources, UsageError
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from slt_cli.training.guards import (
    batch_record,
    diverged,
    memory_guard,
    named,
    peak_memory_mib,
    refuse_untrained,
)
from slt_cli.training.state import Progress
from tests.training.made_up import made_up_batch


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to get"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_describes_the_batch_and_what_to_set(error: Exception) -> None:
    with pytest.raises(OutOfResources) as caught, memory_guard(made_up_batch(3, (9, 6, 4))):
        raise error
    told = caught.value
    assert told.exit_code == 6
    assert "3 clips and 27 frames with padding, the longest clip 9" in told.message
    assert "clip_3_0, clip_3_1, clip_3_2" in str(told.where)
    for flag in (
        "--batch-size", "--max-batch-frames", "--sequence-length", "--gradient-checkpointing",
        "--precision bf16",
    ):  # fmt: skip
        assert flag in str(told.hint)


def test_a_real_refusal_of_the_system_is_told() -> None:
    with pytest.raises(OutOfResources), memory_guard(made_up_batch()):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(OutOfResources), memory_guard(made_up_batch()):
        np.empty(2**60, dtype=np.uint8)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="sizes differ"), memory_guard(made_up_batch()):
        raise RuntimeError("sizes differ")


def test_divergence_says_when_with_which_clips_and_where_the_batch_is() -> None:
    error = diverged("loss", float("nan"), ["a", "b"], Progress(step=7))
    assert isinstance(error, Diverged)
    assert error.exit_code == 8
    assert "the loss is nan at update 7; nothing was updated" in error.message
    assert error.where == "a, b"
    assert "nan-batch.pt" in str(error.hint)


def test_a_kept_batch_can_be_read_back(tmp_path: Path) -> None:
    batch = made_up_batch(1)
    record = batch_record(batch, ["x", *batch.video_ids], {"ctc": float("inf")}, Progress(step=4))
    save_checkpoint(tmp_path / "nan-batch.pt", record)
    found = load_checkpoint(tmp_path / "nan-batch.pt")
    assert found["ids"] == batch.video_ids
    assert found["update_ids"] == ["x", *batch.video_ids]
    assert (found["step"], found["terms"]) == (4, {"ctc": float("inf")})
    assert torch.equal(found["streams"]["keypoints_body"], batch.streams["keypoints_body"])


def test_trained_parameters_without_a_gradient_are_named() -> None:
    model = nn.ModuleDict({name: nn.Linear(2, 1) for name in ("used", "lost", "frozen")})
    model["frozen"].requires_grad_(False)
    model["used"](torch.ones(1, 2)).sum().backward()
    with pytest.raises(UsageError, match=r"2 parameters .* lost.weight, lost.bias") as caught:
        refuse_untrained(model)
    assert caught.value.exit_code == 2


def test_a_gradient_of_zeros_passes() -> None:
    model = nn.Linear(2, 1)
    (model(torch.ones(1, 2)) * 0).sum().backward()
    refuse_untrained(model)


def test_long_lists_of_names_are_cut() -> None:
    assert named(["a", "b"]) == "a, b"
    assert named(list("abcdefgh")) == "a, b, c, d, e and 3 more"


def test_peak_memory_only_grows() -> None:
    before = peak_memory_mib(torch.device("cpu"))
    block = np.ones(64 * 2**20, np.uint8)
    after = peak_memory_mib(torch.device("cpu"))
    assert block.any()
    assert 10 < before <= after < 2**20
