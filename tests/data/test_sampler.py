from __future__ import annotations

import numpy as np
import pytest

from slt_cli.data.sampler import FrameBudget, LengthBuckets, SequentialSampler, share


def padded(lengths: np.ndarray, batch: np.ndarray) -> int:
    """Frames of a batch, padding included."""
    return int(lengths[batch].max()) * len(batch)


def many_lengths(count: int = 400) -> np.ndarray:
    return np.random.default_rng(0).integers(10, 300, count)


@pytest.mark.parametrize(
    "order", [LengthBuckets(range(23), 4, 5), FrameBudget(range(23), 4, 30, 5)]
)
def test_every_clip_appears_once_per_epoch_and_epochs_differ(
    order: LengthBuckets | FrameBudget,
) -> None:
    epochs = [np.concatenate(order.batches(epoch)).tolist() for epoch in (0, 1)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(23))] * 2
    assert epochs[0] != epochs[1]
    assert np.concatenate(order.batches(0)).tolist() == epochs[0]


def test_batches_hold_clips_of_similar_length() -> None:
    lengths = many_lengths()
    batches = LengthBuckets(lengths, 8, seed=0).batches(0)
    padding = sum(padded(lengths, b) for b in batches) / lengths.sum()
    shuffled = np.random.default_rng(1).permutation(400).reshape(-1, 8)
    unsorted = sum(padded(lengths, b) for b in shuffled) / lengths.sum()
    assert padding < 1.1 < unsorted


def test_batches_of_a_number_of_clips_never_change_so_that_old_runs_can_be_repeated() -> None:
    lengths = [7, 3, 9, 1, 5, 8, 2, 6, 4]
    batches = [b.tolist() for b in LengthBuckets(lengths, 2, seed=3, window=2).batches(1)]
    assert batches == [[1, 4], [3], [7, 0], [5, 2], [6, 8]]


def test_a_budget_holds_with_padding_and_is_used() -> None:
    lengths = many_lengths()
    order = FrameBudget(lengths, batch_size=64, max_batch_frames=1200, seed=0)
    batches = order.batches(3)
    assert max(padded(lengths, b) for b in batches) <= 1200
    assert max(map(len, batches)) > 10 > 4 >= min(map(len, batches))
    assert sum(padded(lengths, b) for b in batches) < 1.15 * lengths.sum()
    assert len(order) < 1.35 * lengths.sum() / 1200


def test_a_batch_of_a_budget_holds_no_more_clips_than_the_batch_size() -> None:
    sizes = [len(b) for b in FrameBudget([10] * 20, 8, 10_000, seed=0).batches(0)]
    assert sorted(sizes) == [4, 8, 8]


def test_a_clip_longer_than_the_budget_goes_alone() -> None:
    lengths = np.array([500, 490, 10, 10, 10, 480])
    batches = FrameBudget(lengths, 8, 100, seed=0).batches(0)
    assert sorted(b.tolist() for b in batches if len(b) == 1) == [[0], [1], [5]]
    assert sorted(max(batches, key=len)) == [2, 3, 4]


def test_every_epoch_of_a_budget_has_as_many_batches_of_other_clips() -> None:
    order = FrameBudget(many_lengths(), 16, 900, seed=1)
    epochs = [order.batches(epoch) for epoch in range(5)]
    assert {len(batches) for batches in epochs} == {len(order)}
    composed = [{frozenset(b.tolist()) for b in batches} for batches in epochs]
    assert len(composed[0] & composed[1]) < len(order) / 4


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_shares_of_all_processes_are_the_batch(size: int) -> None:
    batch = np.array([5, 3, 8, 1, 9])
    shares = [share(batch, rank, size) for rank in range(size)]
    assert sorted(np.concatenate(shares)) == sorted(batch)
    lengths = [len(s) for s in shares]
    assert max(lengths) - min(lengths) <= 1


def test_evaluation_reads_each_clip_once_shortest_first() -> None:
    items = [item for batch in SequentialSampler([5, 2, 9], 2) for item in batch]
    assert items == [(0, 1), (0, 0), (0, 2)]
