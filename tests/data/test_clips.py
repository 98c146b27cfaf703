"""The cache of clips: bounded, and left behind when a data set travels to another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data import clips
from slt_cli.data.clips import ClipCache
from slt_cli.data.inputs import ModelInputs
from tests.corpora import write_corpus

NAMES = [f"train_{i:03d}" for i in range(6)]


@pytest.fixture
def cache(tmp_path: Path) -> ClipCache:
    corpus = CorpusPaths.from_root(write_corpus(tmp_path, train=6, val=1, test=1, frames=8))
    return ClipCache(corpus, ModelInputs(("keypoints",), 8), mirror=False)


def kept(cache: ClipCache) -> list[str]:
    """Clips that are there without being read anew."""
    return [name for name in NAMES if cache.read(name) is cache.read(name)]


def test_a_clip_counts_with_all_its_arrays(cache: ClipCache) -> None:
    clip = cache.read(NAMES[0])
    points = 79 + 26 + 27 + 27
    assert clip.num_bytes == 8 * points * (3 * 4 + 1) + 8 * 8 + 3 * 8


def test_the_first_clips_are_kept_as_far_as_there_is_room(
    cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 3 * cache.read(NAMES[0]).num_bytes
    monkeypatch.setattr(clips, "CACHE_BYTES", room)
    for _ in range(3):
        for name in NAMES:
            cache.read(name)
    assert kept(cache) == NAMES[:3]


def test_loading_processes_divide_the_room(
    cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worker:
        num_workers = 4

    monkeypatch.setattr(clips, "CACHE_BYTES", 8 * cache.read(NAMES[0]).num_bytes)
    monkeypatch.setattr(clips, "get_worker_info", Worker)
    for name in NAMES:
        cache.read(name)
    assert kept(cache) == NAMES[:2]


def test_a_copy_for_another_process_is_empty_and_reads_the_same(cache: ClipCache) -> None:
    before = cache.read(NAMES[0])
    sent = pickle.dumps(cache)
    assert len(sent) < 2000 < before.num_bytes
    after = pickle.loads(sent).read(NAMES[0])
    for name, points in before.points.items():
        np.testing.assert_array_equal(after.points[name], points)


def test_what_is_done_to_a_sample_does_not_reach_the_cache(cache: ClipCache) -> None:
    for mirrored in (False, True):
        points, valid = cache.read(NAMES[0]).at(np.arange(8), mirrored=mirrored)
        for array in (*points.values(), *valid.values()):
            array[:] = 0
    assert all(points.any() for points in cache.read(NAMES[0]).points.values())
