"""Cached features of frozen backbones stand for the crops they come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import simplejpeg
import torch

from slt_cli.builders.features import build_feature_caches
from slt_cli.corpus.clip_files import load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.crops import read_crops
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.vit import VisionTransformer
from slt_cli.settings.root import Settings
from tests.corpora import write_corpus

FRAMES, SIDE = 5, 32
PARTS = ("face", "hand_left", "hand_right")
SETTINGS = Settings.model_validate({"model": {"image_size": SIDE}, "data": {"feature_cache": True}})
CPU = torch.device("cpu")


@pytest.fixture
def corpus(tmp_path):
    paths = CorpusPaths.from_root(write_corpus(tmp_path, train=2, val=1, test=1, frames=FRAMES))
    rng = np.random.default_rng(0)
    for path in sorted(paths.keypoints_dir.glob("*.npz")):
        clip = load_clip_keypoints(path)
        sources = rng.integers(0, 2, (3, FRAMES)).astype(np.uint8)
        save_clip_keypoints(path, replace(clip, crop_source=sources))
        for stream in CROP_STREAMS:
            paths.crop_dir(stream).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                data = simplejpeg.encode_jpeg(pixels, 90, "RGB", "420")
                paths.crop_path(stream, path.stem, frame).write_bytes(data)
    return paths


def encoder(frozen=("face", "hand_right"), seed=0):
    torch.manual_seed(seed)
    shape = {"image_size": SIDE, "patch_size": 8, "embed_dim": 8, "depth": 1, "num_heads": 2}
    backbones = {part: VisionTransformer(**shape) for part in PARTS}
    return MultiStreamEncoder(backbones=backbones, frozen=frozenset(frozen), d_model=6)


def caches(corpus, model, settings=SETTINGS):
    calls = []
    found = build_feature_caches(
        settings, corpus, ["train_000", "train_001"], model, device=CPU,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    return found, calls


def test_the_encoder_says_the_same_of_features_and_of_crops(corpus):
    model = encoder().eval()
    found, calls = caches(corpus, model)
    assert list(found) == ["face", "hand_right"]
    assert (calls[0], calls[-1]) == ((0, 4), (4, 4))
    assert calls == sorted(calls)
    clip = load_clip_keypoints(corpus.keypoints("train_001"))
    crops, valid = {}, {}
    for row, part in enumerate(PARTS):
        images = read_crops(CropStore(corpus), "train_001", part, np.arange(FRAMES), SIDE)
        crops[f"crops_{part}"] = torch.from_numpy(images)[None]
        valid[f"crops_{part}"] = torch.from_numpy(clip.crop_source[row] > 0)[None]
    ready = {f"crops_{p}": torch.from_numpy(c.read("train_001"))[None] for p, c in found.items()}
    frames = torch.ones(1, FRAMES, dtype=torch.bool)
    torch.testing.assert_close(
        model({**crops, **ready}, valid, frames), model(crops, valid, frames)
    )


def test_other_weights_have_features_of_their_own(corpus):
    first, _ = caches(corpus, encoder())
    again, _ = caches(corpus, encoder())
    other, _ = caches(corpus, encoder(seed=1))
    assert first["face"].folder == again["face"].folder != other["face"].folder


def test_nothing_is_kept_unless_asked_for_and_frozen(corpus):
    assert caches(corpus, encoder(), Settings()) == ({}, [])
    assert caches(corpus, encoder(frozen=())) == ({}, [])
    assert caches(corpus, None) == ({}, [])
    assert not (corpus.root / "features").exists()
