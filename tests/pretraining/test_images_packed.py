"""Crops keep their names when they are packed: a run on them goes on as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, Interrupted
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.images import find_images, read_image, usable_images
from slt_cli.pretraining.loop import pretrain
from slt_cli.storage.checkpoint import load_checkpoint


def quiet(event: str, **facts: Any) -> None:
    pass


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    """Thirteen faces in two clips, one black and one that is no image."""
    paths = CorpusPaths.from_root(tmp_path / "corpus")
    rng = np.random.default_rng(0)
    for folder in (paths.face_dir, paths.hand_left_dir, paths.keypoints_dir):
        folder.mkdir(parents=True)
    for video_id, frames in (("a.1", 8), ("b", 7)):
        for frame in range(frames):
            pixels = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(paths.crop_path("face", video_id, frame))
        paths.keypoints(video_id).touch()
    Image.new("RGB", (24, 20)).save(paths.crop_path("face", "a.1", 3))
    paths.crop_path("face", "b", 6).write_bytes(b"no image")
    Image.new("RGB", (24, 20), (9, 99, 9)).save(paths.crop_path("hand_l", "b", 0))
    return paths


@pytest.mark.parametrize("folder", ["kept", "removed"])
def test_packed_crops_are_found_where_they_lay(corpus: CorpusPaths, folder: str) -> None:
    loose = find_images([corpus.face_dir])
    pixels = [read_image(path).tobytes() for path in loose if path.name != "b_f000006.jpg"]
    usable = usable_images(loose, quiet, lambda: None)
    pack_corpus(corpus)
    if folder == "removed":
        shutil.rmtree(corpus.face_dir)
    packed = find_images([corpus.face_dir])
    assert packed == loose
    assert [read_image(p).tobytes() for p in packed if p.name != "b_f000006.jpg"] == pixels
    again = usable_images(packed, quiet, lambda: None)
    assert again == usable
    assert (len(again.paths), again.unreadable, again.missing) == (13, 1, 1)


def test_a_corpus_partly_packed_offers_all_its_crops_once(corpus: CorpusPaths) -> None:
    loose = find_images([corpus.face_dir, corpus.root])
    pack_corpus(corpus, ["a.1"])
    assert find_images([corpus.face_dir, corpus.root]) == loose
    pack_corpus(corpus)
    assert find_images([corpus.face_dir, corpus.root]) == loose
    assert loose[-1] == corpus.crop_path("hand_l", "b", 0)


def test_a_relative_folder_is_found_too(
    corpus: CorpusPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack_corpus(corpus)
    monkeypatch.chdir(corpus.face_dir)
    (first, *_) = find_images([Path()])
    assert read_image(first).size == (20, 24)


def test_a_folder_beside_shards_that_is_not_of_the_corpus_is_read_as_ever(
    corpus: CorpusPaths,
) -> None:
    pack_corpus(corpus)
    own = corpus.root / "own" / "own_f000000.png"
    own.parent.mkdir()
    Image.new("RGB", (8, 8), (200, 0, 0)).save(own)
    assert find_images([own.parent]) == [own]
    assert read_image(own).size == (8, 8)
    with pytest.raises(InputError, match="not found"):
        find_images([corpus.root / "feet"])


def test_a_damaged_shard_is_named(corpus: CorpusPaths) -> None:
    pack_corpus(corpus)
    tar = corpus.shard_dir / "crops-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-700])
    with pytest.raises(InputError, match=r"crops-000000\.tar"):
        find_images([corpus.face_dir])


def test_a_run_begun_on_loose_crops_goes_on_with_packed_ones(
    corpus: CorpusPaths, tmp_path: Path, tiny: PretrainConfig
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    pretrain(find_images([corpus.face_dir]), whole, tiny, quiet, lambda: None)
    polls = iter((None, None, 15))
    with pytest.raises(Interrupted):
        pretrain(find_images([corpus.face_dir]), stopped, tiny, quiet, lambda: next(polls))
    pack_corpus(corpus)
    pretrain(find_images([corpus.face_dir]), stopped, tiny, quiet, lambda: None, resume=True)
    ours, theirs = (load_checkpoint(run / "checkpoint_last.pt") for run in (stopped, whole))
    assert ours["images"] == theirs["images"]
    for name, tensor in theirs["student"].items():
        assert torch.equal(ours["student"][name], tensor)
