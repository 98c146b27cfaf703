"""What stops a run before it does harm, and says what to change."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from slt_cli.data.sample import Batch
from slt_cli.errors import Diverged, OutOfResources, UsageError
from slt_cli.training.distributed import sum_over_processes
from slt_cli.training.state import Progress

# Of the CPU allocators of torch, NumPy and the operating system.
_MEMORY_WORDS = ("not enough memory", "can't allocate memory", "Cannot allocate memory")
_SAVE_MEMORY = (
    "a smaller --batch-size, --max-batch-frames or --sequence-length, --gradient-checkpointing, "
    "or --precision bf16"
)
_SHOWN = 5  # names in a message


@contextmanager
def memory_guard(batch: Batch) -> Iterator[None]:
    """Turn every form of "out of memory" into one `OutOfResources` that describes the batch."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        full = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not full and not any(words in str(error) for words in _MEMORY_WORDS):
            raise
        clips, longest = batch.frame_valid.shape
        raise OutOfResources(
            f"out of memory in a batch of {clips} clips and {clips * longest} frames with padding, "
            f"the longest clip {longest}",
            where=named(batch.video_ids), hint=_SAVE_MEMORY,
        ) from error  # fmt: skip


def diverged(what: str, value: float, ids: Sequence[str], progress: Progress) -> Diverged:
    """The error for a loss or gradient that is not finite, before it changes a weight."""
    return Diverged(
        f"the {what} is {value} at update {progress.step}; nothing was updated",
        where=named(ids),
        hint="nan-batch.pt in the run folder holds the batch; start again with a lower --lr or "
        "--clip-grad-norm or a longer --warmup-steps (--init-checkpoint takes the last weights)",
    )


def batch_record(
    batch: Batch, ids: Sequence[str], terms: dict[str, float], progress: Progress
) -> dict[str, Any]:
    """A batch and where it came up, as tensors and plain values.

    `ids` are the clips of all batches of the update, of which `batch` is the last.
    """
    return {
        "kind": "batch", "epoch": progress.epoch, "batch": progress.batch, "step": progress.step,
        "terms": terms, "update_ids": list(ids), "ids": batch.video_ids, "texts": batch.texts,
        "gloss_texts": batch.gloss_texts, "streams": batch.streams, "valid": batch.valid,
        "frame_valid": batch.frame_valid, "labels": batch.labels, "glosses": batch.glosses,
        "gloss_lengths": batch.gloss_lengths,
    }  # fmt: skip


def refuse_untrained(model: nn.Module) -> None:
    """Raise `UsageError` that names the trained parameters that no gradient reached.

    To be called between a backward pass and its update. A gradient of zeros counts as one, and so
    does one in any process.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    reached = sum_over_processes([p.grad is not None for _, p in trained])
    names = [name for (name, _), count in zip(trained, reached, strict=True) if not count]
    if names:
        raise UsageError(
            f"{len(names)} parameters are trained but get no gradient: {named(names)}",
            where="the first update",
            hint="leave out or freeze the part they belong to: nothing in this run would train it",
        )


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def peak_memory_mib(device: torch.device) -> float:
    """Most memory that this process has held so far: the GPU's, or the resident one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 2**20 if sys.platform == "darwin" else largest / 2**10
