"""Batches of a dataset, epoch by epoch, with or without worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import DataLoader

from slt_cli.data.collate import collate
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.sample import Batch
from slt_cli.data.sampler import LengthBucketSampler, SequentialSampler


class TrainLoader:
    """Training batches; `epoch(e, start)` begins at batch `start` and reads none before it."""

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        batch_size: int,
        num_workers: int,
        seed: int,
        worker_init: Callable[[int], None],
    ) -> None:
        self.sampler = LengthBucketSampler(dataset.lengths(), batch_size, seed)
        self._loader = DataLoader(
            dataset,
            batch_sampler=self.sampler,
            num_workers=num_workers,
            collate_fn=collate,
            worker_init_fn=worker_init,
            persistent_workers=num_workers > 0,
            # Its own generator: making an iterator must not draw from the global one, or a
            # resumed run would see other dropout masks.
            generator=torch.Generator().manual_seed(seed),
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int, start: int) -> Iterator[Batch]:
        """Batches `start`, `start + 1`, ... of `epoch`."""
        self.sampler.epoch, self.sampler.start = epoch, start
        yield from self._loader


def evaluation_batches(dataset: ClipDataset, batch_size: int) -> Iterator[Batch]:
    """Every clip once, shortest first."""
    for items in SequentialSampler(dataset.lengths(), batch_size):
        yield collate([dataset[item] for item in items])
