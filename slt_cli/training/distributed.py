"""Several training processes that act as one.

`torchrun` starts the processes and numbers them in the environment. Each one holds the whole model
and sees its share of every batch. Loss terms are divided by counts of all processes, so gradients
are summed; they are summed here, once per update, and no wrapper changes the model or its names.

With one process all of this does nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from slt_cli.errors import MissingAsset, SltError, UsageError

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others within an update."""

VALIDATION_PATIENCE = timedelta(hours=12)
"""How long it waits while the first process does something alone, such as a validation. A process
that ends is noticed at once all the same, because its connections close."""

_BUCKET = 2**24  # gradient values that are summed at once


@dataclass(frozen=True)
class World:
    """The number of this process and how many there are."""

    rank: int
    size: int

    @property
    def is_main(self) -> bool:
        """Whether this process validates, saves and prints for all."""
        return self.rank == 0


def world() -> World:
    """This process among all; the only one where none were started together."""
    if not (dist.is_available() and dist.is_initialized()):
        return World(0, 1)
    return World(dist.get_rank(), dist.get_world_size())


def start_processes(device: torch.device) -> World:
    """Join the processes that `torchrun` started; nothing to do without it.

    On GPUs each process takes the one with its number on this machine as its current device.

    Raises `UsageError` when the environment is incomplete or a single GPU is asked for,
    `MissingAsset` when there are fewer GPUs than processes, `SltError` when the others do not come.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get("RANK")
    if size == 1 or rank is None or world().size > 1:
        return world()
    if device.type == "cuda":
        _take_gpu(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        with lost_processes():
            dist.init_process_group(backend, timeout=PATIENCE)
            _Waiting.group = dist.new_group(backend="gloo", timeout=VALIDATION_PATIENCE)
    except ValueError as error:  # a variable is missing
        raise UsageError(
            f"RANK is set, but {error}", where="environment",
            hint="torchrun --nproc_per_node 2 -m slt_cli train ...",
        ) from error  # fmt: skip
    return world()


def stop_processes() -> None:
    """Leave the others. A process that failed may simply end instead: they notice."""
    if world().size > 1:
        _Waiting.group = None
        dist.destroy_process_group()


def sum_over_processes(values: Sequence[float], *, patient: bool = False) -> list[float]:
    """Sums in double precision over all processes, the same bits in each.

    `patient`: after something that the first process does alone, however long it takes.
    """
    if world().size == 1:
        return [float(value) for value in values]
    sums = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(sums, group=_Waiting.group if patient else None)
    return sums.tolist()


def same_everywhere(value: int) -> int:
    """The first process's `value`, in all of them; they wait for it however long it takes."""
    if world().size == 1:
        return value
    first = torch.tensor(value, dtype=torch.int64)
    dist.broadcast(first, src=0, group=_Waiting.group)
    return int(first)


def largest(value: int) -> int:
    """The largest `value` of any process, in all of them; they wait as in `same_everywhere`."""
    if world().size == 1:
        return value
    most = torch.tensor(value, dtype=torch.int64)
    dist.all_reduce(most, dist.ReduceOp.MAX, group=_Waiting.group)
    return int(most)


def end_together() -> None:
    """Wait for the others before an end that they reach, too.

    `torchrun` ends all processes once one has ended with an error, whatever they still write.
    """
    with suppress(RuntimeError):  # one that is not there any more is not waited for
        largest(0)


def require_same(value: str, what: str) -> None:
    """Raise `UsageError` in every process unless `value` is the same text in all."""
    digest = int.from_bytes(hashlib.sha256(value.encode()).digest()[:6], "big")
    if largest(same_everywhere(digest) != digest):
        raise UsageError(
            f"the processes do not have the same {what}", where="torchrun",
            hint="start every machine with the same command, settings and data",
        )  # fmt: skip


def average_gradients(model: nn.Module) -> None:
    """Sum the gradients of all processes, once per update.

    A sum is the mean over the clips of all processes, because the loss of each is divided by their
    number. A parameter that got a gradient in some processes counts as zero in the others; one that
    got none anywhere is left without.
    """
    if world().size == 1:
        return
    trained = [p for p in model.parameters() if p.requires_grad]
    reached = sum_over_processes([p.grad is not None for p in trained])
    gradients = []
    for parameter, count in zip(trained, reached, strict=True):
        if count:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(flat)
        parts = flat.split([gradient.numel() for gradient in bucket])
        for gradient, part in zip(bucket, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


@contextmanager
def lost_processes() -> Iterator[None]:
    """Turn what torch says when another process failed or hangs into one `SltError`."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error).lower()):
            raise
        rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
        lost = SltError(
            f"process {rank} of {size} stopped, because another one failed or does not answer",
            where=str(error).splitlines()[0],
            hint="see the message of the other one; --resume continues from the last checkpoint",
        )
        lost.of_one_process = True
        raise lost from error


class _Waiting:
    """The group in which processes may wait long. Numbers of the CPU only, on GPUs as well."""

    group: dist.ProcessGroup | None = None


def _take_gpu(device: torch.device) -> None:
    if device.index is not None:
        raise UsageError(
            "every process needs a GPU of its own", where=f"training.device {device}",
            hint="--device cuda; CUDA_VISIBLE_DEVICES chooses the GPUs",
        )  # fmt: skip
    local, count = int(os.environ.get("LOCAL_RANK", os.environ["RANK"])), torch.cuda.device_count()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", local + 1))
    if processes > count:
        raise MissingAsset(
            f"{processes} processes on this machine, but only {count} GPUs",
            hint=f"torchrun --nproc_per_node {max(1, count)}",
        )
    torch.cuda.set_device(local)


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients of one type that follow each other, `_BUCKET` values or one gradient at a time."""
    bucket: list[Tensor] = []
    total = 0
    for gradient in gradients:
        total += gradient.numel()
        if bucket and (total > _BUCKET or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket, total = [], gradient.numel()
        bucket.append(gradient)
    if bucket:
        yield bucket
