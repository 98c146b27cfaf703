from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.data import loader as module
from slt_cli.data.collate import IGNORE_LABEL
from slt_cli.data.loader import TrainLoader, loader_failures
from slt_cli.data.mixing import StreamMixing
from slt_cli.data.sample import Batch, ClipSample
from slt_cli.errors import InputError, OutOfResources

ROOT = Path(__file__).parents[2]
LENGTHS = [5, 9, 3, 7, 8, 2, 6]


def nothing(worker_id: int) -> None:
    pass


class Clips:
    """Made-up clips whose points depend on epoch and clip; `trouble` runs before clip 4 is read."""

    def __init__(self, trouble: Callable[[], object] = lambda: None) -> None:
        self.trouble = trouble

    def lengths(self) -> list[int]:
        return LENGTHS

    def __getitem__(self, item: tuple[int, int]) -> ClipSample:
        epoch, index = item
        if index == 4:
            self.trouble()
        rng = np.random.default_rng([epoch, index])
        streams = {
            "keypoints_body": rng.random((LENGTHS[index], 2, 3), dtype=np.float32),
            "pose": rng.random((LENGTHS[index], 4, 3), dtype=np.float32),
        }
        valid = {name: np.ones(points.shape[:2], bool) for name, points in streams.items()}
        return ClipSample(f"clip_{index}", streams, valid, "text", [3 + index, 2], [1], "G", item)


def train_loader(clips: Clips | None = None, **changed: object) -> TrainLoader:
    arguments = {
        "batch_size": 3, "max_batch_frames": 0, "num_workers": 0, "pin_memory": False, "seed": 1,
        "worker_init": nothing,
    } | changed  # fmt: skip
    return TrainLoader(clips or Clips(), **arguments)


def fields(batch: Batch) -> list[object]:
    return [
        batch.video_ids, batch.texts, *(t.tolist() for t in batch.streams.values()),
        batch.frame_valid.tolist(), batch.labels.tolist(), batch.glosses.tolist(),
    ]  # fmt: skip


def read(loader: TrainLoader, *epochs: int, start: int = 0) -> list[list[object]]:
    return [fields(batch) for epoch in epochs for batch in loader.epoch(epoch, start)]


@pytest.mark.parametrize("budget", [0, 16])
def test_workers_change_no_bit(budget: int) -> None:
    mixing = StreamMixing({"pose": 0.5}, seed=0)
    alone = train_loader(max_batch_frames=budget, mixing=mixing)
    helped = train_loader(max_batch_frames=budget, mixing=mixing, num_workers=2)
    expected = read(alone, 0, 1)
    assert len(expected) == 2 * len(alone)
    assert read(helped, 0, 1) == expected
    assert expected != read(train_loader(max_batch_frames=budget), 0, 1)  # without mixing


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_epoch_goes_on_where_it_was_left_and_reads_nothing_before(num_workers: int) -> None:
    loader = train_loader(num_workers=num_workers)
    whole = read(loader, 1)
    next(iter(loader.epoch(0, 0)))  # an epoch that is given up
    assert read(loader, 1, start=1) == whole[1:]


def test_a_loader_leaves_the_random_numbers_of_the_model_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    read(train_loader(num_workers=1), 0, 1)
    assert torch.equal(before, torch.get_rng_state())


def test_processes_see_together_the_batches_that_one_sees() -> None:
    whole = [batch[0] for batch in read(train_loader(), 0, 1)]
    shares = [
        [batch[0] for batch in read(train_loader(rank=rank, size=2), 0, 1)] for rank in (0, 1)
    ]
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == [sorted(b) for b in whole]


def test_a_process_without_a_clip_gets_a_batch_in_which_nothing_counts() -> None:
    loaders = [train_loader(rank=rank, size=2) for rank in (0, 1)]  # 3 + 3 + 1 clips
    assert {len(loader) for loader in loaders} == {3}
    pairs = list(zip(*(loader.epoch(0, 0) for loader in loaders), strict=True))
    (first, second) = next(pair for pair in pairs if not pair[1].video_ids)
    assert len(first.video_ids) == 1
    assert second.texts == second.gloss_texts == []
    assert second.frame_valid.shape == first.frame_valid.shape
    assert not any(mask.any() for mask in (second.frame_valid, *second.valid.values()))
    assert (second.labels == IGNORE_LABEL).all()
    assert not second.gloss_lengths.any()
    assert torch.equal(second.streams["pose"], first.streams["pose"])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_error_about_a_clip_keeps_its_place_and_hint(num_workers: int) -> None:
    def damaged() -> None:
        raise InputError("clip_4 is damaged", where="clip_4.npz", hint="slt validate")

    with pytest.raises(InputError) as told:
        read(train_loader(Clips(damaged), num_workers=num_workers), 0)
    assert (told.value.message, told.value.where, told.value.hint) == (
        "clip_4 is damaged", "clip_4.npz", "slt validate",
    )  # fmt: skip


def test_a_killed_worker_is_told_with_what_to_change() -> None:
    loader = train_loader(Clips(lambda: os.kill(os.getpid(), signal.SIGKILL)), num_workers=1)
    with pytest.raises(OutOfResources, match="was killed") as told, loader_failures():
        read(loader, 0)
    assert "data.num_workers or data.batch_size" in str(told.value.hint)


def test_a_worker_killed_while_the_model_computes_is_told_too() -> None:
    def compute() -> None:
        with loader_failures():
            for _ in loader.epoch(0, 0):
                os.kill(loader._loader._iterator._workers[0].pid, signal.SIGKILL)
                time.sleep(1)

    loader = train_loader(num_workers=1)
    with pytest.raises(OutOfResources, match="was killed"):
        compute()


def test_an_epoch_given_up_by_an_error_leaves_no_process_and_does_not_hold_up_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.abandoned"], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *workers, told_at = done.stdout.split()
    assert len(workers) == 2
    assert not any(Path("/proc", worker).exists() for worker in workers)
    assert time.time() - float(told_at) < 60  # without `close` it never ends
    assert done.stderr == ""


def test_too_many_open_files_are_told_with_the_limit_to_raise() -> None:
    def open_many() -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, limits[1]))
            for _ in range(100):
                held.append(os.open(os.devnull, os.O_RDONLY))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for file in held:
                os.close(file)

    with pytest.raises(OutOfResources, match="too many open files") as told:
        read(train_loader(Clips(open_many), num_workers=1), 0)
    assert "ulimit -n" in str(told.value.hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Too many open files. Communication with the workers is no longer possible.", "ulimit -n"),
        ("received 0 items of ancdata", "ulimit -n"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
         "dataloader's workers are out of shared memory.", "/dev/shm"),
        ("DataLoader worker (pid(s) 7) exited unexpectedly", "data.num_workers"),
        ("Caught MemoryError in DataLoader worker process 0.", "data.batch_size"),
    ],
)  # fmt: skip
def test_what_torch_says_of_its_workers_is_understood(text: str, hint: str) -> None:
    with pytest.raises(OutOfResources) as told, loader_failures():
        raise RuntimeError(text)
    assert hint in str(told.value.hint)


def test_full_shared_memory_is_told_with_how_to_enlarge_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2_0>: "
                           "No space left on device (28)")  # fmt: skip

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # workers are forked: they have it
    with pytest.raises(OutOfResources, match="shared memory") as told:
        read(train_loader(num_workers=1), 0)
    assert "--shm-size" in str(told.value.hint)


def test_workers_that_hang_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 1)
    with pytest.raises(OutOfResources, match="no data-loading process gave a batch"):
        read(train_loader(Clips(lambda: time.sleep(60)), num_workers=1), 0)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOENT, "No such file or directory"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_other_errors_pass_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as told, loader_failures(OSError):
        raise error
    assert told.value is error


def test_pinned_batches_are_asked_for_only_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not train_loader(pin_memory=True)._loader.pin_memory or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert train_loader(pin_memory=True)._loader.pin_memory
    assert not train_loader()._loader.pin_memory
