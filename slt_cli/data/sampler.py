"""Batches of clips of similar length, in an order that is a pure function of seed and epoch.

The batches are those of all processes together. How many there are in an epoch is the same for
every epoch, because schedules are laid out over all updates before the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

Item = tuple[int, int]
"""(epoch, clip index): the epoch travels with the index so that augmentation can depend on it."""

Clips = npt.NDArray[np.int64]
"""Indices of the clips of one batch."""

SHORTEST_SHARE = 0.8  # of the longest clip of a class, in batches of a budget


class LengthBuckets:
    """Batches of `batch_size` clips, however long; the last one cut may hold fewer.

    Shuffle, sort by length inside windows of `window` batches, cut, shuffle the batches.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, window: int = 16
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.window = window

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def batches(self, epoch: int) -> list[Clips]:
        """Every batch of `epoch`."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.lengths))
        size = self.batch_size * self.window
        windows = [order[i : i + size] for i in range(0, len(order), size)]
        ordered = np.concatenate([w[np.argsort(self.lengths[w], kind="stable")] for w in windows])
        batches = _cut(ordered, self.batch_size)
        return [batches[i] for i in rng.permutation(len(batches))]


class FrameBudget:
    """Batches of as many clips as fit into a number of frames, padding included.

    The clips are divided into classes of length once; in a class the shortest clip has more than
    0.8 times the frames of the longest. A batch is of one class and holds so many clips that even
    as many of the longest would fit: so every epoch mixes the clips of a class anew and still has
    the same number of batches. At most `batch_size` clips go together; one that is longer than the
    budget goes alone.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, max_batch_frames: int, seed: int
    ) -> None:
        self.seed = seed
        self._classes = [
            (clips, min(batch_size, max(1, max_batch_frames // max(1, longest))))
            for longest, clips in _length_classes(np.asarray(lengths))
        ]

    def __len__(self) -> int:
        return sum(-(-len(clips) // size) for clips, size in self._classes)

    def batches(self, epoch: int) -> list[Clips]:
        """Every batch of `epoch`."""
        rng = np.random.default_rng([self.seed, epoch])
        batches = [
            batch for clips, size in self._classes for batch in _cut(rng.permutation(clips), size)
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
        for batch in _cut(self.order, self.batch_size):
            yield [(0, int(index)) for index in batch]


def share(batch: Clips, rank: int, size: int) -> Clips:
    """The clips of `batch` that process `rank` of `size` reads; empty when there are too few.

    Every `size`-th clip, so that batches sorted by length give all processes the same work.
    """
    return batch[rank::size]


def _length_classes(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, Clips]]:
    """(longest, clips) of each class, the longest clips first."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        longest = int(lengths[order[0]])
        inside = np.maximum(lengths[order], 1) > SHORTEST_SHARE * longest
        yield longest, order[inside]
        order = order[~inside]


def _cut(clips: Clips, size: int) -> list[Clips]:
    return [clips[i : i + size] for i in range(0, len(clips), size)]
