"""Batches of a dataset, epoch by epoch, with or without worker processes, for one process or many.

A batch is one of all training processes together, and each process reads its share of the clips. A
batch with fewer clips than processes leaves some without any. Such a process gets a batch whose
`video_ids` is empty: one clip on which every mask is False and which has neither text nor glosses.
It must be run through the model like any other, forward and backward, since the batch norms of all
processes wait for each other there; but it counts as no clip, and its losses count zero times.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from slt_cli.data.collate import IGNORE_LABEL, collate
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.mixing import StreamMixing
from slt_cli.data.sample import Batch, ClipSample
from slt_cli.data.sampler import FrameBudget, Item, LengthBuckets, SequentialSampler, share
from slt_cli.errors import OutOfResources, SltError

PATIENCE_S = 600
"""How long a batch of a worker process is waited for."""

# What a refusal of the system looks like, what it means, and what to change.
_FAILURES = (
    (
        ("shared memory", "</torch_", "Bus error"),
        "the shared memory through which data-loading processes hand over batches is full",
        "lower data.num_workers or data.batch_size, or enlarge /dev/shm (docker run --shm-size 8g)",
    ),
    (
        ("Too many open files", "ancdata"),
        "too many open files in the data loader",
        "raise the limit (ulimit -n 65536) or lower data.num_workers",
    ),
    (
        ("Resource temporarily unavailable",),
        "the system starts no more processes for the data loader",
        "lower data.num_workers or raise the limit (ulimit -u)",
    ),
    (
        ("killed by signal", "exited unexpectedly"),
        "a data-loading process was killed, most likely because the memory of the machine is full",
        "lower data.num_workers or data.batch_size",
    ),
    (
        ("timed out",),
        f"no data-loading process gave a batch within {PATIENCE_S} s",
        "check the disk of the corpus and ulimit -n; --num-workers 0 loads in the main process",
    ),
    (
        ("allocate memory", "MemoryError"),
        "out of memory in the data loader",
        "lower data.num_workers, data.batch_size or model.sequence_length",
    ),
)
_OF_THE_LOADER = ("DataLoader", "Communication with the workers", "ancdata")
_ERRNO = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


class TrainLoader:
    """Training batches; `epoch(e, start)` begins at batch `start` and reads none before it.

    With `max_batch_frames` above 0 the batches are those of a `FrameBudget`, else `LengthBuckets`.
    Process `rank` of `size` gets its `share` of each; `mixing` exchanges streams within a share.
    Number and order of the batches depend on neither workers nor processes, and what is in a clip
    not on them either.

    Raises while batches are read `OutOfResources` when a worker process is killed or the system
    runs out of something, and the errors of the dataset.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        batch_size: int,
        max_batch_frames: int,
        num_workers: int,
        pin_memory: bool,
        seed: int,
        worker_init: Callable[[int], None],
        mixing: StreamMixing | None = None,
        rank: int = 0,
        size: int = 1,
    ) -> None:
        lengths = dataset.lengths()
        self.order: LengthBuckets | FrameBudget = LengthBuckets(lengths, batch_size, seed)
        if max_batch_frames:
            self.order = FrameBudget(lengths, batch_size, max_batch_frames, seed)
        self.rank, self.size = rank, size
        self._items: list[list[Item]] = []
        self._running: Generator[Batch, None, None] = self._epoch(0, 0)  # the epoch being read
        self._loader = DataLoader(
            _Clips(dataset),
            batch_sampler=self._items,
            num_workers=num_workers,
            collate_fn=partial(_collate, mixing=mixing),
            worker_init_fn=worker_init,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory and torch.cuda.is_available(),
            timeout=PATIENCE_S if num_workers else 0,
            # Its own generator: making an iterator must not draw from the global one, or a
            # resumed run would see other dropout masks.
            generator=torch.Generator().manual_seed(seed),
        )

    def __len__(self) -> int:
        """Batches of an epoch, the same for all epochs and processes."""
        return len(self.order)

    def epoch(self, epoch: int, start: int) -> Iterator[Batch]:
        """Batches `start`, `start + 1`, ... of `epoch`; ends the epoch read before."""
        self._running.close()
        self._running = self._epoch(epoch, start)
        return self._running

    def close(self) -> None:
        """End the worker processes; no epoch can be read any more.

        Nothing else would. They ignore SIGTERM, so that one which is sent to all lets the main
        process save, and torch and the interpreter know no other way to end those that hang: they
        would wait for ever. A kept traceback keeps torch's iterator, too, which ends them when it
        goes.
        """
        self._running.close()
        iterator = self._loader._iterator  # there once workers were started
        del self._loader
        if iterator is not None:
            iterator._shutdown_workers()  # gives each a few seconds
            for worker in iterator._workers:
                worker.kill()
                worker.join()

    def _epoch(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        batches = self.order.batches(epoch)[start:]
        shares = [share(batch, self.rank, self.size) for batch in batches]
        # A process without a clip reads one of the others' instead.
        read = [
            mine if len(mine) else batch[[self.rank % len(batch)]]
            for mine, batch in zip(shares, batches, strict=True)
        ]
        self._items[:] = [[(epoch, int(index)) for index in clips] for clips in read]
        for mine, batch in zip(shares, self._loaded(), strict=True):
            yield batch if len(mine) else _without_clips(batch)

    def _loaded(self) -> Iterator[Batch]:
        """The batches of `_items`."""
        with loader_failures(OSError):
            for loaded in self._loader:
                if isinstance(loaded, SltError):
                    raise loaded
                yield loaded


def evaluation_batches(dataset: ClipDataset, batch_size: int) -> Iterator[Batch]:
    """Every clip once, shortest first."""
    for items in SequentialSampler(dataset.lengths(), batch_size):
        yield collate([dataset[item] for item in items])


@contextmanager
def loader_failures(*more: type[Exception]) -> Iterator[None]:
    """Turn what torch says about a failed worker process into `OutOfResources`.

    For a whole training loop: a killed worker interrupts whatever the main process is doing. `more`
    kinds of errors count only where nothing but data is read.
    """
    try:
        yield
    except (RuntimeError, MemoryError, *more) as error:
        told = _told(error)
        if told is None:
            raise
        raise told from error


class _Clips(Dataset[ClipSample]):
    """The clips of a batch, or the error that came instead of them.

    Of an exception that is raised in a worker process torch keeps the text alone, so errors that
    say where and what next travel as values.
    """

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset

    def __getitems__(self, items: Iterable[Item]) -> list[ClipSample] | SltError:
        try:
            return [self.dataset[item] for item in items]
        except SltError as error:
            return error
        except OSError as error:
            told = _told(error)
            if told is None:
                raise
            return told


def _collate(samples: list[ClipSample] | SltError, mixing: StreamMixing | None) -> Batch | SltError:
    """One batch. A worker puts it into shared memory here, where a refusal can still be told."""
    if isinstance(samples, SltError):
        return samples
    batch = collate(samples, mixing)
    if get_worker_info() is not None:
        for value in vars(batch).values():
            for one in value.values() if isinstance(value, dict) else [value]:
                if isinstance(one, Tensor):
                    one.share_memory_()
    return batch


def _without_clips(batch: Batch) -> Batch:
    """The same shapes and streams with nothing in them that counts."""
    return replace(
        batch,
        video_ids=[], texts=[], gloss_texts=[],
        valid={name: torch.zeros_like(mask) for name, mask in batch.valid.items()},
        frame_valid=torch.zeros_like(batch.frame_valid),
        labels=torch.full_like(batch.labels, IGNORE_LABEL),
        glosses=torch.zeros_like(batch.glosses),
        gloss_lengths=torch.zeros_like(batch.gloss_lengths),
    )  # fmt: skip


def _told(error: Exception) -> OutOfResources | None:
    """What the user can do about it; None for an error of another kind."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        known = error.errno in _ERRNO
    else:
        known = any(text in words for text in _OF_THE_LOADER)
    for texts, message, hint in _FAILURES if known else ():
        if any(text in words for text in texts):
            return OutOfResources(message, where="data.num_workers", hint=hint)
    return None
