"""Batches of clips of similar length, in an order that is a pure function of seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

Item = tuple[int, int]
"""(epoch, clip index): the epoch travels with the index so that augmentation can depend on it."""


class LengthBucketSampler(Sampler[list[Item]]):
    """Shuffle, sort by length inside windows of `window` batches, cut, shuffle the batches.

    `start` skips that many batches of the epoch without touching any data, for resuming.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, window: int = 16
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.window = window
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[Item]]:
        for batch in self.batches(self.epoch)[self.start :]:
            yield [(self.epoch, int(index)) for index in batch]

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Index arrays of every batch of `epoch`."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.lengths))
        size = self.batch_size * self.window
        windows = [order[i : i + size] for i in range(0, len(order), size)]
        ordered = np.concatenate([w[np.argsort(self.lengths[w], kind="stable")] for w in windows])
        batches = [
            ordered[i : i + self.batch_size] for i in range(0, len(ordered), self.batch_size)
        ]
        return [batches[i] for i in rng.permutation(len(batches))]


class SequentialSampler(Sampler[list[Item]]):
    """Batches in the given order, shortest clips first so that little is padded; epoch 0 always."""

    def __init__(self, lengths: Sequence[int], batch_size: int) -> None:
        self.order = np.argsort(np.asarray(lengths), kind="stable")
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __iter__(self) -> Iterator[list[Item]]:
        for start in range(0, len(self.order), self.batch_size):
            yield [(0, int(index)) for index in self.order[start : start + self.batch_size]]
