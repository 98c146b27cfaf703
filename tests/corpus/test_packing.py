"""Packing moves the same bytes into few files and never leaves a crop in neither place."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import tarfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from slt_cli.corpus import packing
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.packing import PackSummary, pack_corpus
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, Interrupted, OutOfResources, UsageError
from slt_cli.storage import atomic
from tests.corpus.made_crops import (
    Crops,
    everything_in,
    loose_files,
    shard_names,
    write_clip,
    write_clips,
)

ODD_IDS = ("a.b.c", "50%", "50%25", "nandú ø", "x_f000001", "-", "a.mp4_f000002", "日本", "l" * 180)


def digests(crops: Crops) -> dict[tuple[str, str, int], str]:
    return {key: hashlib.sha256(data).hexdigest() for key, data in crops.items()}


def members(corpus: CorpusPaths) -> list[str]:
    names = []
    for tar in sorted(corpus.shard_dir.glob("*.tar")):
        with tarfile.open(tar) as archive:
            names += archive.getnames()
    return names


def forked(target: Any, *arguments: Any) -> int | None:
    process = get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def test_the_bytes_stay_the_same_in_a_few_files(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b", frames=4)
    assert everything_in(corpus) == crops
    summary = pack_corpus(corpus)
    size = sum(map(len, crops.values()))
    assert summary == PackSummary(clips=2, crops=24, bytes=size, shards=1, stale=0)
    assert digests(everything_in(corpus)) == digests(crops)
    assert loose_files(corpus) == []
    assert shard_names(corpus) == ["crops-000000.idx.npz", "crops-000000.tar"]


def test_packing_again_changes_nothing(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "a", "b")
    pack_corpus(corpus)
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    assert pack_corpus(corpus) == PackSummary(0, 0, 0, 0, 0)
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in after.items() if p.is_file()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in before.items() if p.is_file()
    }


def test_a_corpus_without_crops_gets_no_folder_of_shards(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "a", frames=0)
    assert pack_corpus(corpus).shards == 0
    assert not corpus.shard_dir.exists()


def test_clips_without_keypoints_and_clips_not_asked_for_stay_loose(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b", "unfinished")
    corpus.keypoints("unfinished").unlink()
    assert pack_corpus(corpus, ["a", "unfinished", "unheard-of"]).clips == 1
    assert {p.name.split("_")[0] for p in loose_files(corpus)} == {"b", "unfinished"}
    assert everything_in(corpus) == crops
    assert pack_corpus(corpus).clips == 1
    assert {p.name.split("_")[0] for p in loose_files(corpus)} == {"unfinished"}
    assert everything_in(corpus) == crops


def test_shards_keep_their_size_and_clips_stay_whole(tmp_path: Path) -> None:
    ids = [f"clip{number:02d}" for number in range(12)]
    corpus, crops = write_clips(tmp_path, *ids, frames=4)
    crops |= write_clip(corpus, "huge", frames=9, largest=20_000)
    limit = 60_000
    summary = pack_corpus(corpus, shard_bytes=limit)
    tars = sorted(corpus.shard_dir.glob("*.tar"))
    assert len(tars) == summary.shards > 3
    holders: dict[str, set[str]] = {}
    for tar in tars:
        with tarfile.open(tar) as archive:
            clips = {name.rsplit("_f", 1)[0] for name in archive.getnames()}
        assert tar.stat().st_size <= limit + tarfile.RECORDSIZE or clips == {"huge"}
        for clip in clips:
            holders.setdefault(clip, set()).add(tar.name)
    assert set(map(len, holders.values())) == {1}
    assert everything_in(corpus) == crops


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    tars = []
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        corpus, _ = write_clips(tmp_path / name, *order)
        os.utime(corpus.crop_path("face", "a", 0), (1, 1))
        pack_corpus(corpus)
        tars.append((corpus.shard_dir / "crops-000000.tar").read_bytes())
    assert tars[0] == tars[1]
    assert (corpus.shard_dir / "crops-000000.tar").read_bytes()[257:262] == b"ustar"


def test_readers_of_tar_datasets_find_one_sample_per_frame(tmp_path: Path) -> None:
    """Their rule: the key ends at the first dot of the file name; neighbours of one key are one."""
    corpus, crops = write_clips(tmp_path, *ODD_IDS, frames=2)
    pack_corpus(corpus)
    samples: list[tuple[str, list[str]]] = []
    for name in members(corpus):
        assert name.isascii()
        match = re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", name)
        assert match is not None
        if not samples or samples[-1][0] != match[1]:
            samples.append((match[1], []))
        samples[-1][1].append(match[2])
    keys = [key for key, _ in samples]
    assert len(set(keys)) == len(keys) == 2 * len(ODD_IDS)
    assert {tuple(suffixes) for _, suffixes in samples} == {
        ("face.jpg", "hand_l.jpg", "hand_r.jpg")
    }
    assert everything_in(corpus) == crops


def test_a_clip_that_was_extracted_again_goes_into_a_new_shard(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b", frames=5)
    pack_corpus(corpus)
    newer = write_clip(corpus, "a", frames=2, seed=1)
    expected = {k: v for k, v in crops.items() if k[1] == "b"} | newer
    assert everything_in(corpus) == expected
    assert pack_corpus(corpus) == PackSummary(1, 6, sum(map(len, newer.values())), 1, stale=1)
    assert everything_in(corpus) == expected
    assert loose_files(corpus) == []


def test_a_shard_of_nothing_but_older_clips_is_removed(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "a", "b")
    pack_corpus(corpus)
    _, newer = write_clips(tmp_path, "a", "b", seed=1)
    assert pack_corpus(corpus).stale == 0
    assert shard_names(corpus) == ["crops-000001.idx.npz", "crops-000001.tar"]
    assert everything_in(corpus) == newer


def test_a_clip_extracted_again_without_a_stream_loses_it_when_packed(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "a")
    pack_corpus(corpus)
    newer = write_clip(corpus, "a", streams=("face",), seed=1)
    pack_corpus(corpus)
    assert everything_in(corpus) == newer


def test_the_newest_shard_wins_though_the_clock_went_backwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _ = write_clips(tmp_path, "a", "b")
    pack_corpus(corpus)
    newer = write_clip(corpus, "a", seed=1)
    monkeypatch.setattr(packing.time, "time_ns", lambda: 1)
    pack_corpus(corpus, tag="Z-")
    assert {k: v for k, v in everything_in(corpus).items() if k[1] == "a"} == newer


def test_jobs_with_tags_share_a_corpus(tmp_path: Path) -> None:
    ids = [f"v{number}" for number in range(8)]
    corpus, crops = write_clips(tmp_path, *ids)
    pack = get_context("fork").Process
    jobs = [
        pack(target=pack_corpus, args=(corpus, ids[i::2]), kwargs={"tag": f"{i}-of-2-"})
        for i in range(2)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert [job.exitcode for job in jobs] == [0, 0]
    assert everything_in(corpus) == crops
    assert [n for n in shard_names(corpus) if n.endswith(".tar")] == [
        "crops-0-of-2-000000.tar", "crops-1-of-2-000000.tar",
    ]  # fmt: skip
    crops |= write_clip(corpus, "later")
    pack_corpus(corpus, tag="1-of-2-")
    assert "crops-1-of-2-000001.tar" in shard_names(corpus)
    assert everything_in(corpus) == crops


def test_two_packings_with_one_tag_are_refused(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a")

    def pack_inside(event: str, **facts: Any) -> None:
        with pytest.raises(UsageError, match="in use"):
            pack_corpus(corpus)

    pack_corpus(corpus, report=pack_inside)
    assert everything_in(corpus) == crops


@pytest.mark.parametrize("tag", ["1", "a/", "..", "a.b", "part-7"])
def test_tags_that_would_be_misread_are_refused(tmp_path: Path, tag: str) -> None:
    corpus, _ = write_clips(tmp_path, "a")
    with pytest.raises(UsageError, match="names of shards"):
        pack_corpus(corpus, tag=tag)


def test_two_packed_corpora_become_one_by_copying(tmp_path: Path) -> None:
    first, crops = write_clips(tmp_path / "first", "a")
    second, others = write_clips(tmp_path / "second", "b")
    pack_corpus(first)
    pack_corpus(second, tag="b-")
    for path in (*second.shard_dir.iterdir(), *second.keypoints_dir.iterdir()):
        path.rename(first.root / path.relative_to(second.root))
    assert everything_in(first) == crops | others


def test_progress_counts_clips(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "a", "b", "c")
    seen: list[tuple[Any, Any]] = []
    pack_corpus(
        corpus, shard_bytes=1, report=lambda event, **f: seen.append((f["done"], f["total"]))
    )
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b", "c")
    polls = iter((None, signal.SIGTERM))
    with pytest.raises(Interrupted) as caught:
        pack_corpus(corpus, shard_bytes=1, should_stop=lambda: next(polls))
    assert caught.value.exit_code == 143
    assert everything_in(corpus) == crops
    assert shard_names(corpus) == ["crops-000000.idx.npz", "crops-000000.tar"]
    assert pack_corpus(corpus).clips == 2
    assert everything_in(corpus) == crops


def test_a_crop_that_changes_while_it_is_packed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b")
    save_index = packing.save_index

    def extracted_meanwhile(index: Any) -> None:
        corpus.crop_path("hand_r", "a", 2).write_bytes(b"newer")
        save_index(index)

    monkeypatch.setattr(packing, "save_index", extracted_meanwhile)
    pack_corpus(corpus)
    crops["hand_r", "a", 2] = b"newer"
    assert everything_in(corpus) == crops
    assert len(loose_files(corpus)) == 9
    monkeypatch.undo()
    pack_corpus(corpus)
    assert everything_in(corpus) == crops
    assert loose_files(corpus) == []


def test_a_stray_crop_that_is_not_packed_is_never_removed(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a")
    pack_corpus(corpus)
    stray = corpus.crop_path("face", "a", 1)  # without frame 0 the clip does not count as loose
    stray.write_bytes(b"whose is this")
    pack_corpus(corpus)
    assert stray.read_bytes() == b"whose is this"
    assert everything_in(corpus) == crops


def test_a_crop_that_vanishes_while_it_is_packed_is_named(tmp_path: Path) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b")
    vanishing = corpus.crop_path("face", "b", 2)

    def stop() -> None:
        vanishing.unlink(missing_ok=True)

    with pytest.raises(InputError, match="vanished") as caught:
        pack_corpus(corpus, should_stop=stop)
    assert caught.value.where == str(vanishing)
    del crops["face", "b", 2]
    assert everything_in(corpus) == crops


# ---- killed, disk full --------------------------------------------------------------------------


def killed_at(step: int, corpus: CorpusPaths) -> None:
    atomic._steps_until_kill = step  # as the variable would; a fresh process takes longer
    atomic._sweep_once.cache_clear()  # as in a fresh process
    pack_corpus(corpus, shard_bytes=14_000)


def walk(tmp_path: Path, prepare: Any) -> list[int]:
    """Kill at every step in turn; returns how many loose crops each kill left."""
    left = []
    for step in range(1, 200):
        corpus, crops = prepare(tmp_path / str(step))
        code = forked(killed_at, step, corpus)
        assert everything_in(corpus) == crops
        left.append(len(loose_files(corpus)))
        if code == 0:
            return left
        assert code == -signal.SIGKILL
        atomic._sweep_once.cache_clear()
        pack_corpus(corpus, shard_bytes=14_000)
        assert everything_in(corpus) == crops
        assert loose_files(corpus) == []
        assert all(re.fullmatch(r"crops-\d+\.(tar|idx\.npz)", n) for n in shard_names(corpus))
    raise AssertionError("packing never finished")


def test_killed_at_any_moment_nothing_is_lost_and_a_rerun_completes(tmp_path: Path) -> None:
    def prepare(root: Path) -> tuple[CorpusPaths, Crops]:
        return write_clips(root, "a", "b")

    left = walk(tmp_path, prepare)
    assert left[0] == 18
    assert left[-1] == 0
    assert {17, 9, 1} <= set(left)  # kills fell into the removal of both clips


def test_killed_while_newer_clips_replace_a_shard(tmp_path: Path) -> None:
    def prepare(root: Path) -> tuple[CorpusPaths, Crops]:
        corpus, _ = write_clips(root, "a", frames=4)
        pack_corpus(corpus)
        return corpus, write_clip(corpus, "a", frames=2, seed=1)

    left = walk(tmp_path, prepare)
    assert left[0] == 6
    assert left[-1] == 0


def test_extraction_replaces_what_an_interrupted_packing_left(tmp_path: Path) -> None:
    for step in range(8, 16):
        corpus, _ = write_clips(tmp_path / str(step), "a", frames=6)
        assert forked(killed_at, step, corpus) == -signal.SIGKILL
        newer = write_clip(corpus, "a", frames=2, seed=1)
        assert everything_in(corpus) == newer
        pack_corpus(corpus)
        assert everything_in(corpus) == newer


def pack_on_a_small_disk(corpus: CorpusPaths, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # EFBIG: the path of a full disk
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        pack_corpus(corpus, shard_bytes=14_000)
    except OutOfResources as error:
        os._exit(error.exit_code)
    os._exit(0)


@pytest.mark.parametrize("limit", [100, 500, 4_000, 15_000])
def test_a_full_disk_loses_nothing(tmp_path: Path, limit: int) -> None:
    corpus, crops = write_clips(tmp_path, "a", "b")
    crops |= write_clip(corpus, "c", largest=9_000)
    assert forked(pack_on_a_small_disk, corpus, limit) == 6
    assert everything_in(corpus) == crops
    assert not [name for name in shard_names(corpus) if name.startswith(".slt")]
    pack_corpus(corpus)
    assert everything_in(corpus) == crops
    assert loose_files(corpus) == []


# ---- shards that are not what they should be ----------------------------------------------------


def packed(tmp_path: Path, *ids: str) -> tuple[CorpusPaths, Crops, Path]:
    corpus, crops = write_clips(tmp_path, *ids)
    pack_corpus(corpus)
    return corpus, crops, corpus.shard_dir / "crops-000000.tar"


def test_a_shard_without_its_index_is_ignored_until_it_is_indexed_again(tmp_path: Path) -> None:
    corpus, crops, tar = packed(tmp_path, "a", "b")
    tar.with_suffix(".idx.npz").unlink()
    assert everything_in(corpus) == {}
    with pytest.raises(InputError, match="crop missing"):
        CropStore(corpus).read("face", "a", 0)
    crops |= write_clip(corpus, "c")
    assert pack_corpus(corpus).shards == 1
    assert everything_in(corpus) == crops
    assert "crops-000001.tar" in shard_names(corpus)


def test_an_index_made_again_does_not_bring_back_older_clips(tmp_path: Path) -> None:
    corpus, _, tar = packed(tmp_path, "a", "b")
    newer = write_clip(corpus, "a", seed=1)
    pack_corpus(corpus, tag="later-")
    tar.with_suffix(".idx.npz").unlink()
    pack_corpus(corpus)
    assert {k: v for k, v in everything_in(corpus).items() if k[1] == "a"} == newer


@pytest.mark.parametrize("cut", [0, 1, 512, 700, 1024, 3000, -513, -10_240])
def test_a_cut_shard_is_named(tmp_path: Path, cut: int) -> None:
    corpus, _, tar = packed(tmp_path, "a")
    tar.write_bytes(tar.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"crops-000000.tar is cut or altered") as caught:
        CropStore(corpus)
    assert caught.value.where == str(tar)
    tar.with_suffix(".idx.npz").unlink()
    with pytest.raises(InputError, match=r"shard crops-000000.tar") as caught:
        pack_corpus(corpus)
    assert caught.value.where == str(tar)
    assert tar.exists()


def write_foreign(tar: Path, names: list[str], kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(tar, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = kind
            archive.addfile(info)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["../../etc/a_f000000.face.jpg"], "is not a crop"),
        (["/a_f000000.face.jpg"], "is not a crop"),
        (["a_f000000.face.png"], "is not a crop"),
        (["a_f000000.feet.jpg"], "is not a crop"),
        (["a.b_f000000.face.jpg"], "is not a crop"),
        (["a_f000000.face.jpg", "a_f000000.face.jpg"], "does not follow"),
        (["a_f000001.face.jpg", "a_f000000.face.jpg"], "does not follow"),
        (["a_f000000.face.jpg", "a_f000001.face.jpg", "a_f000000.hand_l.jpg"], "does not follow"),
        (["a_f000000.face.jpg", "b_f000000.face.jpg", "a_f000001.face.jpg"], "does not follow"),
        ([], "empty"),
    ],
)
def test_members_that_do_not_belong_are_refused(tmp_path: Path, names: list[str], why: str) -> None:
    corpus, crops = write_clips(tmp_path, "z")
    corpus.shard_dir.mkdir()
    write_foreign(corpus.shard_dir / "crops-000000.tar", names)
    with pytest.raises(InputError, match=why) as caught:
        pack_corpus(corpus)
    assert "crops-000000.tar" in caught.value.message
    assert everything_in(corpus) == crops


def test_links_are_refused(tmp_path: Path) -> None:
    corpus, _ = write_clips(tmp_path, "z")
    corpus.shard_dir.mkdir()
    tar = corpus.shard_dir / "crops-000000.tar"
    write_foreign(tar, ["a_f000000.face.jpg"], tarfile.SYMTYPE)
    with pytest.raises(InputError, match="is not a crop"):
        pack_corpus(corpus)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    corpus, _, tar = packed(tmp_path, "a", "b")
    tar.with_suffix(".idx.npz").unlink()
    with tarfile.open(tar) as archive:
        middle = archive.getmembers()[7].offset
    data = bytearray(tar.read_bytes())
    data[middle : middle + 512] = b"\0" * 512
    tar.write_bytes(data)
    with pytest.raises(InputError, match="cut or damaged"):
        pack_corpus(corpus)
