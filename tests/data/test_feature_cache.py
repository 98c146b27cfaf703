"""Features of crops are computed once, and again whenever anything they depend on has changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import simplejpeg
import torch

from slt_cli.corpus.clip_files import load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.crops import read_crops
from slt_cli.data.feature_cache import FeatureCache, cache_features, crops_hash, feature_key
from slt_cli.errors import InputError
from tests.corpora import write_corpus

FRAMES, SIDE = 7, 16
IDS = ["train_000", "train_001", "train_002"]


class Embed:
    """Means of the colours, twice: a backbone that remembers the size of every batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.shape[1:] == (3, SIDE, SIDE)
        self.batches.append(len(pixels))
        return pixels.mean((2, 3)).repeat(1, 2)


@pytest.fixture
def corpus(tmp_path):
    """Three clips; the face is there in some frames, the left hand never."""
    paths = CorpusPaths.from_root(write_corpus(tmp_path, train=3, val=1, test=1, frames=FRAMES))
    rng = np.random.default_rng(0)
    for video_id in IDS:
        clip = load_clip_keypoints(paths.keypoints(video_id))
        sources = np.ones((3, FRAMES), np.uint8)
        sources[0, rng.permutation(FRAMES)[:2]], sources[1] = 0, 0
        save_clip_keypoints(paths.keypoints(video_id), replace(clip, crop_source=sources))
        for stream in CROP_STREAMS:
            paths.crop_dir(stream).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                write_crop(paths, stream, video_id, frame, rng)
    return paths


def write_crop(paths, stream, video_id, frame, rng):
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    data = simplejpeg.encode_jpeg(pixels, 90, "RGB", "420")
    paths.crop_path(stream, video_id, frame).write_bytes(data)


def fill(corpus, part="face", *, key="k", size=4, embed=None):
    """The cache, and the batches that were computed for it."""
    embed, calls = embed or Embed(), []
    cache = cache_features(
        corpus, part, IDS, embed, key=key, image_size=SIDE, frames_per_batch=size,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert calls == [(done, 3) for done in range(4)]
    return cache, embed.batches


def seen_of(corpus, video_id, row=0):
    return load_clip_keypoints(corpus.keypoints(video_id)).crop_source[row] > 0


def test_features_are_those_of_the_crops_and_zero_where_there_is_none(corpus):
    cache, batches = fill(corpus)
    assert batches == [4, 1] * 3  # five faces a clip, at most four at a time
    store = CropStore(corpus)
    for video_id in IDS:
        seen = seen_of(corpus, video_id)
        crops = read_crops(store, video_id, "face", np.arange(FRAMES), SIDE)
        expected = Embed()(torch.from_numpy(crops)).numpy() * seen[:, None]
        found = cache.read(video_id)
        assert (found.dtype, found.shape) == (np.float32, (FRAMES, 6))
        np.testing.assert_array_equal(found, expected)


def test_the_second_time_nothing_is_computed(corpus):
    cache, _ = fill(corpus)
    stamps = [cache.path(v).stat().st_mtime_ns for v in IDS]
    again, batches = fill(corpus)
    assert batches == []
    assert again.folder == cache.folder == corpus.root / "features" / "face-k"
    assert [cache.path(v).stat().st_mtime_ns for v in IDS] == stamps
    assert sorted(p.name for p in cache.folder.iterdir()) == [f"{v}.npz" for v in IDS]


def test_packing_the_crops_changes_nothing(corpus):
    fill(corpus)
    pack_corpus(corpus)
    assert not corpus.crop_path("face", IDS[0], 0).exists()
    assert fill(corpus)[1] == []


def test_one_changed_crop_costs_one_clip(corpus):
    cache, _ = fill(corpus)
    before = {v: cache.read(v) for v in IDS}
    frame = int(np.flatnonzero(seen_of(corpus, IDS[1]))[2])
    write_crop(corpus, "face", IDS[1], frame, np.random.default_rng(5))
    assert fill(corpus)[1] == [4, 1]
    changed = np.any(cache.read(IDS[1]) != before[IDS[1]], axis=1)
    assert np.flatnonzero(changed).tolist() == [frame]


def test_another_mask_of_the_same_crops_is_another_clip(corpus):
    cache, _ = fill(corpus)
    path = corpus.keypoints(IDS[2])
    clip = load_clip_keypoints(path)
    save_clip_keypoints(path, replace(clip, crop_source=np.ones((3, FRAMES), np.uint8)))
    assert fill(corpus)[1] == [4, 3]
    assert cache.read(IDS[2]).any(axis=1).all()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_computed_again(corpus, damage):
    cache, _ = fill(corpus)
    path = cache.path(IDS[0])
    whole, expected = path.read_bytes(), cache.read(IDS[0])
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    path.write_bytes({
        "cut": whole[: len(whole) // 2], "flipped": bytes(flipped), "empty": b"",
        "foreign": corpus.keypoints(IDS[0]).read_bytes(),
    }[damage])  # fmt: skip
    with pytest.raises(InputError, match="missing or damaged") as caught:
        cache.read(IDS[0])
    assert caught.value.where == str(path)
    assert fill(corpus)[1] == [4, 1]
    np.testing.assert_array_equal(cache.read(IDS[0]), expected)


def test_a_part_that_is_never_seen_has_zeros_of_the_right_width(corpus):
    cache, batches = fill(corpus, "hand_left")
    assert batches == [0, 0, 0]
    assert cache.read(IDS[0]).shape == (FRAMES, 6)
    assert not cache.read(IDS[0]).any()


def test_a_stopped_run_goes_on_where_it_was(corpus):
    class Stops(Embed):
        def __call__(self, pixels):
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().__call__(pixels)

    with pytest.raises(KeyboardInterrupt):
        fill(corpus, embed=Stops())
    cache, batches = fill(corpus)
    assert batches == [4, 1] * 2  # the first clip was finished
    assert cache.load(IDS[0], "other crops") is None


def test_parts_and_backbones_do_not_mix(corpus):
    face, _ = fill(corpus)
    assert fill(corpus, "hand_right")[0].folder != face.folder
    assert fill(corpus, key="other")[1] == [4, 1] * 3
    assert FeatureCache(corpus, "face", "none").load(IDS[0], "x") is None


def test_a_missing_crop_is_named(corpus):
    frame = int(np.flatnonzero(seen_of(corpus, IDS[0]))[0])
    corpus.crop_path("face", IDS[0], frame).unlink()
    with pytest.raises(InputError, match="crop missing"):
        fill(corpus)


def test_the_hash_depends_on_every_seen_crop_and_on_no_other(corpus):
    store, seen = CropStore(corpus), np.array([True, False, True] + [False] * 4)
    first = crops_hash(store, "face", IDS[0], seen)
    write_crop(corpus, "face", IDS[0], 1, np.random.default_rng(1))
    assert crops_hash(store, "face", IDS[0], seen) == first
    write_crop(corpus, "face", IDS[0], 2, np.random.default_rng(2))
    assert crops_hash(store, "face", IDS[0], seen) != first


def test_the_key_depends_on_weights_shape_and_picture_size():
    weights = {"a": torch.ones(2, 2), "b": torch.zeros(3)}
    key = feature_key(weights, {"depth": 2}, image_size=224)
    assert len(key) == 16
    assert key == feature_key(dict(reversed(weights.items())), {"depth": 2}, image_size=224)
    changed = {**weights, "b": torch.tensor([0, 0, 1e-7])}
    renamed = {"a": weights["a"], "c": weights["b"]}
    others = [
        feature_key(changed, {"depth": 2}, image_size=224),
        feature_key(renamed, {"depth": 2}, image_size=224),
        feature_key(weights, {"depth": 3}, image_size=224),
        feature_key(weights, {"depth": 2}, image_size=112),
    ]
    assert len({key, *others}) == 5
