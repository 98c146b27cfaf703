"""Loose crops into shards: the same bytes in a thousandth of the files."""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slt_cli.corpus.crop_store import list_loose
from slt_cli.corpus.packed_crops import PackedCrops
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.shard_index import (
    BLOCK,
    SIZE,
    ShardIndex,
    index_path,
    list_indexes,
    member_name,
    save_index,
    scan_shard,
)
from slt_cli.errors import InputError, Interrupted, UsageError
from slt_cli.storage.lock import folder_lock
from slt_cli.storage.shards import remove_files, write_tar

SHARD_BYTES = 2**29
Report = Callable[..., None]
Frames = dict[str, "array[int]"]
"""Crop stream -> sorted numbers of the frames that are loose."""
_TAG = re.compile(r"([A-Za-z0-9_-]*[A-Za-z_-])?")
_NAME = re.compile(r"crops-(?P<tag>.*?)(?P<number>\d{6,})\.(tar|idx\.npz)")


@dataclass(frozen=True)
class PackSummary:
    """What was packed: clips, crops and their bytes, into how many new shards.

    `stale` counts the copies of clips that lie in older shards though a newer one replaces them.
    """

    clips: int
    crops: int
    bytes: int
    shards: int
    stale: int


def pack_corpus(
    corpus: CorpusPaths,
    video_ids: Sequence[str] | None = None,
    *,
    tag: str = "",
    shard_bytes: int = SHARD_BYTES,
    report: Report = lambda event, **facts: None,
    should_stop: Callable[[], int | None] = lambda: None,
) -> PackSummary:
    """Move the loose crops of finished clips (those with keypoints) into new shards.

    `video_ids` restricts it to some clips. Jobs that pack into one corpus at the same time need
    different `tag`s, which become part of the names of their shards. A clip is never divided: one
    larger than `shard_bytes` gets a shard of its own.

    A loose file is removed only after the shard with its bytes and the shard's index are on the
    disk and were read back. Killed at any moment, or with a full disk, nothing is lost, and the
    next call completes what was begun; room for one more shard is needed. A clip that was extracted
    again goes into a new shard; an older shard stays as long as it holds the newest of any clip.

    Raises `InputError` naming a damaged shard or a crop that vanished, `OutOfResources` on a full
    disk, `Interrupted` when `should_stop` returns a signal, `UsageError` for a tag in use or unfit.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"{tag!r} cannot be part of the names of shards",
            hint="letters, digits, - and _, and no digit at the end",
        )
    with _tag_lock(corpus.shard_dir, tag):
        packed = _all_indexed(corpus.shard_dir, tag)
        packer = _Packer(corpus, packed, tag, report, should_stop)
        with _vanished_files():
            packer.pack(video_ids, shard_bytes)
    after = PackedCrops.load(corpus.shard_dir)
    for shard in after.superseded_shards():
        _remove_shard(shard.path)
    return packer.summary(after)


@contextmanager
def _vanished_files() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            "a crop vanished while it was packed: another process works on the same clips",
            where=str(error.filename), hint="pack again when the other process has ended",
        ) from error  # fmt: skip


@contextmanager
def _tag_lock(folder: Path, tag: str) -> Iterator[None]:
    """Keep two processes from giving a shard the same name."""
    lock = folder / f".packing-{tag or 'untagged'}"
    try:
        with folder_lock(lock, f"packing {folder.parent} with the tag {tag!r}"):
            yield
    finally:
        with suppress(OSError):  # another lock, or a shard, is in it
            lock.rmdir()
            folder.rmdir()


def _remove_shard(tar: Path) -> None:
    """Remove a shard, unless somebody packs with its tag and might index it again meanwhile."""
    with suppress(UsageError), _tag_lock(tar.parent, _tag_of(tar) or ""):
        remove_files([index_path(tar), tar])


def _all_indexed(folder: Path, tag: str) -> PackedCrops:
    """All shards; a tar that a crash left without its index gets one.

    Such a tar counts as no newer than the one before it: what is loose still decides.
    """
    packed = PackedCrops.load(folder)
    strays = [tar for tar in _shards(folder, tag) if not index_path(tar).exists()]
    for tar in strays:
        older = [s.stamp for s in packed.shards if _tag_of(s.path) == tag and s.path < tar]
        save_index(scan_shard(tar, max(older, default=0)))
    return PackedCrops.load(folder) if strays else packed


def _shards(folder: Path, tag: str) -> list[Path]:
    """The tars with this tag, indexed or not."""
    return sorted(tar for tar in folder.glob("crops-*.tar") if _tag_of(tar) == tag)


def _tag_of(path: Path) -> str | None:
    match = _NAME.fullmatch(path.name)
    return match["tag"] if match else None


class _Packer:
    """One call of `pack_corpus`, and what it counted."""

    def __init__(
        self,
        corpus: CorpusPaths,
        packed: PackedCrops,
        tag: str,
        report: Report,
        should_stop: Callable[[], int | None],
    ) -> None:
        self.corpus, self.packed, self.tag = corpus, packed, tag
        self.report, self.should_stop = report, should_stop
        self.loose = {stream: list_loose(corpus.crop_dir(stream)) for stream in CROP_STREAMS}
        self.stamp = max([time.time_ns() // 1000, *(s.stamp + 1 for s in packed.shards)])
        self.clips = self.crops = self.bytes = self.shards = 0

    def pack(self, video_ids: Iterable[str] | None, shard_bytes: int) -> None:
        """Pack what is not packed yet, shard by shard, and remove what is."""
        found = {video_id for clips in self.loose.values() for video_id in clips}
        wanted = found if video_ids is None else found & set(video_ids)
        finished = [i for i in sorted(wanted) if self.corpus.keypoints(i).is_file()]
        todo = [video_id for video_id in finished if not self._settle(video_id, self.packed)]
        if todo:
            self.report("pack", done=0, total=len(todo))
        for group in self._groups(todo, shard_bytes):
            shard = self._write_shard(group)
            written = PackedCrops([shard])
            for video_id in group:
                self._settle(video_id, written)
            self._count(group, shard)
            self.report("pack", done=self.clips, total=len(todo), shard=shard.path.name)

    def summary(self, after: PackedCrops) -> PackSummary:
        """What was done; `after` is what lies in the shards now."""
        dead = sum(len(shard.keys) for shard in after.superseded_shards())
        return PackSummary(self.clips, self.crops, self.bytes, self.shards, after.stale - dead)

    def _frames(self, video_id: str) -> Frames:
        """The loose crops of a clip."""
        return {s: clips[video_id] for s, clips in self.loose.items() if video_id in clips}

    def _settle(self, video_id: str, packed: PackedCrops) -> bool:
        """Remove the loose crops of a clip if `packed` holds them; False when it does not.

        A stream without frame 0 is what an interrupted removal left: it may lack frames.
        """
        loose = self._frames(video_id)
        equal = {s: self._equal(s, video_id, frames, packed) for s, frames in loose.items()}
        for stream, frames in loose.items():
            there = packed.frames(stream, video_id)
            rest = there and frames[0] != 0
            if not rest and not (equal[stream] and list(frames) == there):
                return False
        for stream in (s for s in loose if equal[s]):
            self._remove(stream, video_id, loose[stream])
        return True

    def _equal(self, stream: str, video_id: str, frames: array[int], packed: PackedCrops) -> bool:
        """Whether each of these loose crops is packed, byte for byte."""
        return all(
            self.corpus.crop_path(stream, video_id, frame).read_bytes()
            == packed.read(stream, video_id, frame)
            for frame in frames
        )

    def _remove(self, stream: str, video_id: str, frames: array[int]) -> None:
        """Remove frame 0 first, which turns readers to the shards.

        Then from the end, so that what an interruption leaves has no gaps.
        """
        order = [frames[0], *reversed(frames[1:])]
        remove_files(self.corpus.crop_path(stream, video_id, frame) for frame in order)

    def _size(self, video_id: str) -> int:
        """Bytes of a clip in a tar."""
        sizes = (
            self.corpus.crop_path(stream, video_id, frame).stat().st_size
            for stream, frames in self._frames(video_id).items()
            for frame in frames
        )
        return sum(BLOCK * (1 - (-size // BLOCK)) for size in sizes)

    def _groups(self, video_ids: Sequence[str], shard_bytes: int) -> Iterator[list[str]]:
        """Clips that fill a shard together."""
        group: list[str] = []
        filled = 0
        for video_id in video_ids:
            size = self._size(video_id)
            if group and filled + size > shard_bytes:
                yield group
                group, filled = [], 0
            group.append(video_id)
            filled += size
        if group:
            yield group

    def _write_shard(self, video_ids: list[str]) -> ShardIndex:
        tar = self._next_name()
        write_tar(tar, self._members(video_ids))
        index = scan_shard(tar, self.stamp)
        save_index(index)
        return index

    def _next_name(self) -> Path:
        folder = self.corpus.shard_dir
        names = [path.name for path in (*_shards(folder, self.tag), *list_indexes(folder))]
        matches = [match for name in names if (match := _NAME.fullmatch(name))]
        number = max((int(m["number"]) + 1 for m in matches if m["tag"] == self.tag), default=0)
        return folder / f"crops-{self.tag}{number:06d}.tar"

    def _members(self, video_ids: list[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of every crop: clip by clip, frame by frame, stream by stream."""
        for video_id in video_ids:
            if stop := self.should_stop():
                raise Interrupted(
                    "stopped while packing; no crop is lost", signal_number=stop,
                    hint="run the same command again: it goes on from there",
                )  # fmt: skip
            streams = {stream: set(frames) for stream, frames in self._frames(video_id).items()}
            for frame in sorted(set().union(*streams.values())):
                for stream in (s for s in CROP_STREAMS if frame in streams.get(s, ())):
                    path = self.corpus.crop_path(stream, video_id, frame)
                    yield member_name(video_id, frame, stream), path.read_bytes()

    def _count(self, video_ids: list[str], shard: ShardIndex) -> None:
        self.clips += len(video_ids)
        self.crops += len(shard.crops)
        self.bytes += int(shard.crops[:, SIZE].sum(dtype="int64"))
        self.shards += 1
