from __future__ import annotations

import numpy as np

from slt_cli.data.sampler import LengthBucketSampler, SequentialSampler


def test_every_clip_appears_once_per_epoch_and_epochs_differ() -> None:
    sampler = LengthBucketSampler(list(range(23)), 4, seed=5)
    epochs = []
    for epoch in (0, 1):
        sampler.epoch = epoch
        items = [item for batch in sampler for item in batch]
        assert sorted(index for _, index in items) == list(range(23))
        assert {e for e, _ in items} == {epoch}
        epochs.append([index for _, index in items])
    assert epochs[0] != epochs[1]


def test_a_start_offset_yields_exactly_the_rest() -> None:
    sampler = LengthBucketSampler(list(range(30)), 4, seed=1)
    whole = list(sampler)
    sampler.start = 3
    assert list(sampler) == whole[3:]


def test_batches_hold_clips_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(10, 300, 400)
    batches = LengthBucketSampler(lengths, 8, seed=0).batches(0)
    padding = sum(lengths[b].max() * len(b) for b in batches) / lengths.sum()
    shuffled = np.random.default_rng(1).permutation(400).reshape(-1, 8)
    unsorted = sum(lengths[b].max() * 8 for b in shuffled) / lengths.sum()
    assert padding < 1.1 < unsorted


def test_evaluation_reads_each_clip_once_shortest_first() -> None:
    items = [item for batch in SequentialSampler([5, 2, 9], 2) for item in batch]
    assert items == [(0, 1), (0, 0), (0, 2)]
