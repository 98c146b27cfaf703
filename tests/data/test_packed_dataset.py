"""Samples are the same whether the crops lie loose, packed, or some of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch

from slt_cli.corpus.clip_files import load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.collate import collate
from slt_cli.data.crops import MEAN, STD, decode_crop, normalise_crop, read_crops
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.sample import ClipSample
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError
from tests.corpora import write_corpus

FRAMES, SIDE = 6, 32
STREAMS = ("keypoints", "face", "hand_left", "hand_right")


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    """Three clips with crops of noise; some crops are missing, which the mask says."""
    paths = CorpusPaths.from_root(write_corpus(tmp_path, train=3, val=1, test=1, frames=FRAMES))
    rng = np.random.default_rng(0)
    for record in read_split(paths, "train"):
        clip = load_clip_keypoints(paths.keypoints(record.video_id))
        sources = rng.integers(0, 4, (3, FRAMES)).astype(np.uint8)
        save_clip_keypoints(paths.keypoints(record.video_id), replace(clip, crop_source=sources))
        for stream in CROP_STREAMS:
            paths.crop_dir(stream).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
                data = simplejpeg.encode_jpeg(pixels, 90, "RGB", "420")
                paths.crop_path(stream, record.video_id, frame).write_bytes(data)
    return paths


def dataset(corpus: CorpusPaths, streams: tuple[str, ...] = STREAMS, **options: Any) -> ClipDataset:
    records = read_split(corpus, "train")
    tokenizer = TextTokenizer.train([record.text for record in records], 300)
    return ClipDataset(
        corpus, records,
        inputs=ModelInputs(streams=streams, **{"sequence_length": 4, "image_size": 24, **options}),
        tokenizer=tokenizer, glosses=(), max_target_length=20, augment=None, seed=0,
    )  # fmt: skip


def samples(corpus: CorpusPaths) -> list[ClipSample]:
    made = dataset(corpus)
    return [made[0, index] for index in range(len(made))]


def assert_same(ours: list[ClipSample], theirs: list[ClipSample]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.video_id == other.video_id
        assert one.streams.keys() == other.streams.keys() >= {"crops_face", "crops_hand_right"}
        for name in one.streams:
            np.testing.assert_array_equal(one.streams[name], other.streams[name])
            np.testing.assert_array_equal(one.valid[name], other.valid[name])


def test_packed_clips_give_the_same_samples(corpus: CorpusPaths) -> None:
    loose = samples(corpus)
    assert len({sample.streams["crops_face"].tobytes() for sample in loose}) == 3
    pack_corpus(corpus, [loose[0].video_id])
    assert_same(samples(corpus), loose)
    pack_corpus(corpus)
    assert not list(corpus.face_dir.iterdir())
    assert_same(samples(corpus), loose)


def test_a_corpus_may_be_packed_while_a_data_set_reads_it(corpus: CorpusPaths) -> None:
    loose, reading = samples(corpus), dataset(corpus)
    assert_same([reading[0, 0]], loose[:1])
    pack_corpus(corpus)
    assert_same([reading[0, index] for index in range(3)], loose)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loading_processes_give_the_same_batches(corpus: CorpusPaths, method: str) -> None:
    pack_corpus(corpus, shard_bytes=1)
    made = dataset(corpus)
    expected = collate([made[0, index] for index in range(3)])
    loader = torch.utils.data.DataLoader(
        made, batch_sampler=[[(0, 0), (0, 1), (0, 2)]] * 4, num_workers=2, collate_fn=collate,
        multiprocessing_context=method,
    )  # fmt: skip
    batches = list(loader)
    assert len(batches) == 4
    for batch in batches:
        for name, tensor in expected.streams.items():
            assert torch.equal(batch.streams[name], tensor)


@pytest.mark.parametrize("pack", [False, True])
def test_a_missing_crop_is_named(corpus: CorpusPaths, pack: bool) -> None:
    path = corpus.crop_path("hand_l", "train_000", FRAMES - 1)
    path.unlink()
    if pack:
        pack_corpus(corpus)
    with pytest.raises(InputError, match="crop missing") as caught:
        dataset(corpus)[0, 0]
    assert caught.value.where == str(path)
    assert "slt validate" in str(caught.value.hint)


def test_a_cut_shard_stops_training_on_crops_before_it_starts(corpus: CorpusPaths) -> None:
    pack_corpus(corpus)
    tar = corpus.shard_dir / "crops-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-700])
    with pytest.raises(InputError, match=r"crops-000000\.tar"):
        dataset(corpus)
    assert dataset(corpus, streams=("keypoints",))[0, 0].num_frames == 4


def test_gaps_of_keypoints_are_filled_on_request(corpus: CorpusPaths) -> None:
    path = corpus.keypoints("train_000")
    clip = load_clip_keypoints(path)
    clip.valid[2:4] = False
    clip.keypoints[2:4] = 0
    save_clip_keypoints(path, clip)
    before = path.read_bytes()
    masks = [
        dataset(corpus, ("keypoints",), interpolate_gap=gap, sequence_length=FRAMES)[0, 0].valid
        for gap in (0, 1, 2)
    ]
    assert [mask["keypoints_body"][:, 0].tolist() for mask in masks] == [
        [True, True, False, False, True, True]] * 2 + [[True] * 6]  # fmt: skip
    assert path.read_bytes() == before


def test_crops_come_in_the_order_asked_for_and_normalised(corpus: CorpusPaths) -> None:
    store = CropStore(corpus)
    crops = read_crops(store, "train_001", "hand_right", np.array([3, 0, 3]), SIDE)
    assert crops.shape == (3, 3, SIDE, SIDE)
    for image, frame in zip(crops, (3, 0, 3), strict=True):
        data = corpus.crop_path("hand_r", "train_001", frame).read_bytes()
        np.testing.assert_array_equal(image, decode_crop(data, SIDE))
        rgb = simplejpeg.decode_jpeg(data, "RGB").astype(np.float64)
        want = (rgb.transpose(2, 0, 1) / 255 - MEAN) / STD
        np.testing.assert_allclose(image, want, atol=1e-5)


def test_every_brightness_is_normalised_as_the_formula_says() -> None:
    rgb = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    want = (rgb.transpose(2, 0, 1).astype(np.float64) / 255 - MEAN) / STD
    np.testing.assert_allclose(normalise_crop(rgb), want, rtol=0, atol=1e-6)
    assert normalise_crop(rgb).dtype == np.float32
