"""One way to the bytes of a crop, wherever it lies."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus import packed_crops
from slt_cli.corpus.crop_store import CropStore, parse_crop_name
from slt_cli.corpus.packed_crops import PackedCrops
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CorpusPaths, crop_name
from slt_cli.corpus.shard_index import (
    ShardIndex,
    escape,
    index_path,
    load_index,
    save_index,
    unescape,
    verify_shard,
)
from slt_cli.errors import InputError
from tests.corpus.made_crops import Crops, everything_in, write_clip, write_clips


def open_files() -> set[str]:
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {os.readlink(path) for path in paths if os.path.islink(path)}


def packed(tmp_path: Path, *ids: str) -> tuple[CorpusPaths, Crops, Path]:
    corpus, crops = write_clips(tmp_path, *ids)
    pack_corpus(corpus)
    return corpus, crops, corpus.shard_dir / "crops-000000.tar"


def test_loose_and_packed_clips_are_found_alike(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "b", "a.1")
    pack_corpus(corpus)
    crops |= write_clip(corpus, "c", frames=2, streams=("face",))
    store = CropStore(corpus)
    assert store.clips("face") == ["a.1", "b", "c"]
    assert store.clips("hand_l") == ["a.1", "b"]
    assert store.frames("face", "b") == [0, 1, 2]
    assert store.frames("face", "c") == [0, 1]
    assert store.frames("hand_r", "c") == store.frames("face", "nobody") == []
    for key, data in crops.items():
        assert store.read(*key) == data
        assert store.size(*key) == len(data)


@pytest.mark.parametrize("pack", [False, True])
def test_a_missing_crop_is_named_by_the_path_it_would_have(tmp_path: Path, pack: bool) -> None:
    corpus, _ = write_clips(tmp_path, "a")
    if pack:
        pack_corpus(corpus)
    store = CropStore(corpus)
    for key in (("face", "a", 3), ("hand_l", "a" * 300, 0), ("hand_r", "", 0)):
        with pytest.raises(InputError, match="crop missing") as caught:
            store.read(*key)
        assert caught.value.where == str(corpus.crop_path(*key))
        with pytest.raises(InputError, match="crop missing"):
            store.size(*key)


def test_a_loose_clip_wins_over_its_packed_copy(tmp_path: Path) -> None:
    corpus, _, _ = packed(tmp_path, "a")
    newer = write_clip(corpus, "a", frames=2, seed=1)
    assert everything_in(corpus) == newer
    with pytest.raises(InputError):
        CropStore(corpus).read("face", "a", 2)  # which only the older copy has


def test_a_store_notices_that_the_corpus_was_packed(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b")
    store = CropStore(corpus)
    assert store.read("face", "a", 0) == crops["face", "a", 0]
    pack_corpus(corpus)
    assert {key: store.read(*key) for key in crops} == crops


def test_crop_folders_elsewhere_are_packed_and_read(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(tmp_path / "corpus", face_dir=tmp_path / "faces")
    crops = write_clip(corpus, "a")
    assert everything_in(corpus) == crops
    pack_corpus(corpus)
    assert list((tmp_path / "faces").iterdir()) == []
    assert everything_in(corpus) == crops


def test_a_clip_with_a_gap_keeps_its_frame_numbers(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", frames=6)
    for frame in (0, 3):
        corpus.crop_path("face", "a", frame).unlink()
        del crops["face", "a", frame]
    pack_corpus(corpus)
    store = CropStore(corpus)
    assert store.frames("face", "a") == [1, 2, 4, 5]
    assert {key: store.read(*key) for key in crops} == crops
    for frame in (0, 3, 6):
        with pytest.raises(InputError, match="crop missing"):
            store.read("face", "a", frame)


def test_few_shards_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_crops, "MAX_OPEN", 2)
    corpus, crops = write_clips(tmp_path, *"abcdef")
    pack_corpus(corpus, shard_bytes=1)
    store = CropStore(corpus)
    before = open_files()
    for key, data in crops.items():
        assert store.read(*key) == data
        assert len(open_files() - before) <= 2
    assert open_files() - before
    store.close()
    assert not open_files() - before
    assert store.read("face", "a", 0) == crops["face", "a", 0]
    del store
    assert not open_files() - before


def test_threads_may_share_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_crops, "MAX_OPEN", 2)  # shards are closed while others are read
    corpus, crops = write_clips(tmp_path, *"abcdef")
    pack_corpus(corpus, shard_bytes=1)
    store = CropStore(corpus)
    keys = list(crops) * 20
    np.random.default_rng(0).shuffle(keys)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda key: store.read(*key), keys)) == [crops[key] for key in keys]


def read_all(store: CropStore, crops: Crops) -> None:
    assert {key: store.read(*key) for key in crops} == crops


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_may_read_too(tmp_path: Path, method: str) -> None:
    corpus, crops, _ = packed(tmp_path, "a", "b")
    store = CropStore(corpus)
    store.read("face", "a", 0)  # the parent holds a shard open
    processes = [
        get_context(method).Process(target=read_all, args=(store, crops))  # type: ignore[attr-defined]
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    read_all(store, crops)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]


def test_a_pickled_store_is_a_few_bytes(tmp_path: Path) -> None:
    corpus, crops, _ = packed(tmp_path, *map(str, range(50)))
    data = pickle.dumps(CropStore(corpus))
    assert len(data) < 2000
    assert pickle.loads(data).read("face", "7", 1) == crops["face", "7", 1]


def test_a_million_crops_take_seventeen_bytes_each(tmp_path: Path) -> None:
    clips, frames = 4000, 250
    rows = np.arange(clips * frames, dtype=np.uint32)
    shard = ShardIndex(
        tmp_path / "crops-000000.tar", 0, 0,
        np.array([f"clip-{number:06d}" for number in range(clips)], "S"),
        np.stack([np.arange(clips) * frames] * 3, axis=1),
        np.tile(np.array([frames, 0, 0]), (clips, 1)),
        np.stack([rows % frames, rows * 9, np.full_like(rows, 4000), rows], axis=1),
    )  # fmt: skip
    crops = PackedCrops([shard])
    held = [v for v in vars(crops).values() if isinstance(v, np.ndarray)] + list(crops._tables)
    assert sum(array.nbytes for array in held) < 17 * len(rows)
    assert crops.frames("face", "clip-003999") == list(range(frames))
    assert crops.frames("hand_l", "clip-003999") == crops.frames("face", "clip-004000") == []
    assert crops.size("face", "clip-000123", 249) == 4000


# ---- damage -------------------------------------------------------------------------------------


def test_a_flipped_byte_is_noticed_and_named(tmp_path: Path) -> None:
    corpus, crops, tar = packed(tmp_path, "a", "b")
    data = bytearray(tar.read_bytes())
    place = data.index(crops["hand_l", "b", 1])
    data[place] ^= 1
    tar.write_bytes(data)
    store = CropStore(corpus)
    with pytest.raises(InputError, match="damaged: frame 1 of the hand_l crops of b") as caught:
        store.read("hand_l", "b", 1)
    assert caught.value.where == str(tar)
    assert store.read("hand_l", "b", 0) == crops["hand_l", "b", 0]
    with pytest.raises(InputError, match=r"crops-000000\.tar: its content is not what"):
        verify_shard(load_index(index_path(tar)))


def test_a_whole_shard_verifies(tmp_path: Path) -> None:
    _, _, tar = packed(tmp_path, "a", "b")
    verify_shard(load_index(index_path(tar)))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    corpus, _, tar = packed(tmp_path, "a")
    tar.unlink()
    with pytest.raises(InputError, match=r"crops-000000\.tar is missing") as caught:
        CropStore(corpus)
    assert caught.value.where == str(tar)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\x03\x04nonsense", None])
def test_a_damaged_index_is_named_and_can_be_made_again(
    tmp_path: Path, content: bytes | None
) -> None:
    corpus, crops, tar = packed(tmp_path, "a")
    path = index_path(tar)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InputError, match=r"index of shard crops-000000\.tar") as caught:
        CropStore(corpus)
    assert caught.value.where == str(path)
    assert "allow_pickle" not in caught.value.message
    path.unlink()  # as the hint says
    pack_corpus(corpus)
    assert everything_in(corpus) == crops


def test_an_index_that_points_anywhere_is_refused(tmp_path: Path) -> None:
    corpus, _, tar = packed(tmp_path, "a")
    index = load_index(index_path(tar))
    for change in (
        {"first": index.first + 10**9}, {"first": index.first - 5}, {"count": index.count[:, :2]},
        {"crops": index.crops.astype(np.int64)}, {"keys": np.array(["a"])},
    ):  # fmt: skip
        save_index(ShardIndex(**{**vars(index), **change}))
        with pytest.raises(InputError, match="is not complete"):
            CropStore(corpus)


def test_an_index_of_a_newer_version_is_told_from_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _, tar = packed(tmp_path, "a")
    index = load_index(index_path(tar))
    with monkeypatch.context() as patch:
        patch.setattr("slt_cli.corpus.shard_index.SCHEMA", 2)
        save_index(index)
    with pytest.raises(InputError, match="newer slt") as caught:
        CropStore(corpus)
    assert caught.value.hint == "upgrade slt"


# ---- names --------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1)
any_bytes = st.binary(min_size=1).map(lambda b: b.translate(None, b"/\0") or b"a").map(os.fsdecode)
ids = texts | any_bytes  # whatever a file name can be


@given(ids)
def test_every_clip_id_survives_its_name_in_a_shard(video_id: str) -> None:
    key = escape(video_id)
    assert key.isascii()
    assert not set(key) & set("./ \n")
    assert unescape(key) == video_id


@given(ids, st.integers(0, 10**8))
def test_the_name_of_a_loose_crop_tells_clip_and_frame(video_id: str, frame: int) -> None:
    assert parse_crop_name(crop_name(video_id, frame)) == (video_id, frame)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a_f12.jpg", "a_f000012.png", "_f000012.jpg", "a_f1x.jpg"]
)
def test_other_files_are_not_crops(name: str) -> None:
    assert parse_crop_name(name) is None
