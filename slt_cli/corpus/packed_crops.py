"""All shards of a corpus as one table of crops."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.corpus.shard_index import (
    BLOCK,
    FRAME,
    ShardIndex,
    escape,
    list_indexes,
    load_index,
    unescape,
)
from slt_cli.errors import InputError

MAX_OPEN = 64
"""Shards held open at the same time by one store."""
_REMEMBERED = 4096  # streams of clips whose place is known without searching


class _Run(NamedTuple):
    """The crops of one stream of one clip: rows `first` to `first + length` of one shard."""

    shard: int
    first: int
    length: int


class _Crop(NamedTuple):
    """Where one crop lies, and what its bytes must add up to."""

    shard: int
    offset: int
    size: int
    crc: int


class PackedCrops:
    """The crops of several shards; where a clip is in more than one, the newest holds it.

    Sixteen bytes per crop and one key per clip are held in memory, in arrays that forked processes
    share. Shards are opened when first read, `MAX_OPEN` of them at a time, and read with `pread`:
    threads and forked processes may use one object at the same time.
    """

    def __init__(self, shards: Sequence[ShardIndex]) -> None:
        shards = sorted(shards, key=lambda shard: (shard.stamp, shard.path.name))
        self.shards = shards
        self._tables = [shard.crops for shard in shards]
        keys = np.concatenate([shard.keys for shard in shards]) if shards else np.zeros(0, "S1")
        self._keys, from_end = np.unique(keys[::-1], return_index=True)
        newest = len(keys) - 1 - from_end
        self._shard = np.repeat(np.arange(len(shards)), [len(s.keys) for s in shards])[newest]
        streams = (0, len(CROP_STREAMS))
        self._first = np.concatenate([s.first for s in shards] or [np.zeros(streams, int)])[newest]
        self._count = np.concatenate([s.count for s in shards] or [np.zeros(streams, int)])[newest]
        self.stale = len(keys) - len(newest)
        self._found: dict[tuple[str, str], _Run] = {}
        self._open = lru_cache(MAX_OPEN)(_OpenShard)

    @classmethod
    def load(cls, folder: Path) -> PackedCrops:
        """All shards in `folder` that have an index; none where there is no such folder.

        Raises `InputError` naming a shard that is missing, cut or badly indexed.
        """
        shards = []
        for path in list_indexes(folder):
            try:
                shards.append(load_index(path))
            except InputError:
                if path.exists():  # else another process removed it, because all of it was stale
                    raise
        return cls(shards)

    def holds(self, stream: str, video_id: str) -> bool:
        """Whether any crop of this stream of the clip is packed."""
        return self._find(stream, video_id).length > 0

    def clips(self, stream: str) -> list[str]:
        """Sorted ids of the clips with crops of `stream`."""
        there = self._count[:, CROP_STREAMS.index(stream)] > 0
        return sorted(unescape(key.decode()) for key in self._keys[there].tolist())

    def frames(self, stream: str, video_id: str) -> list[int]:
        """Sorted frame numbers of the crops of a clip; none when it is not packed."""
        run = self._find(stream, video_id)
        return self._rows(run)[:, FRAME].tolist() if run.length else []

    def size(self, stream: str, video_id: str, frame: int) -> int | None:
        """Bytes of the JPEG of one frame, or None when it is not packed."""
        crop = self._crop(stream, video_id, frame)
        return None if crop is None else crop.size

    def read(self, stream: str, video_id: str, frame: int) -> bytes | None:
        """The JPEG of one frame, or None when it is not packed.

        Raises `InputError` naming the shard when it holds other bytes than were packed.
        """
        crop = self._crop(stream, video_id, frame)
        if crop is None:
            return None
        tar = self.shards[crop.shard].path
        data = self._open(tar).read(crop.offset, crop.size)
        if zlib.crc32(data) != crop.crc:
            raise InputError(
                f"shard {tar.name} is damaged: frame {frame} of the {stream} crops of {video_id} "
                "is not what was packed",
                where=str(tar), hint=f"slt extract VIDEO --overwrite (the video of {video_id})",
            )  # fmt: skip
        return data

    def superseded_shards(self) -> list[ShardIndex]:
        """Shards that hold nothing but older copies of clips."""
        living = set(self._shard.tolist())
        return [shard for number, shard in enumerate(self.shards) if number not in living]

    def close(self) -> None:
        """Close the shards; reading opens them again."""
        self._open.cache_clear()

    def _find(self, stream: str, video_id: str) -> _Run:
        """The crops of a stream of a clip, none of them when it is not packed."""
        found = self._found.get((stream, video_id))
        if found is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[stream, video_id] = self._search(stream, video_id)
        return found

    def _search(self, stream: str, video_id: str) -> _Run:
        key = escape(video_id).encode()
        if len(key) > self._keys.itemsize:
            return _Run(0, 0, 0)
        clip = int(np.searchsorted(self._keys, np.array(key, self._keys.dtype)))
        if clip == len(self._keys) or self._keys[clip] != key:
            return _Run(0, 0, 0)
        number = CROP_STREAMS.index(stream)
        first, length = int(self._first[clip, number]), int(self._count[clip, number])
        return _Run(int(self._shard[clip]), first, length)

    def _crop(self, stream: str, video_id: str, frame: int) -> _Crop | None:
        run = self._find(stream, video_id)
        if not run.length:
            return None
        rows = self._rows(run)
        row = frame  # frames count from 0 without gaps in all clips but damaged ones
        if row >= run.length or rows[row, FRAME] != frame:
            row = int(np.searchsorted(rows[:, FRAME], frame))
            if row == run.length or rows[row, FRAME] != frame:
                return None
        _, place, size, crc = rows[row].tolist()
        return _Crop(run.shard, place * BLOCK, size, crc)

    def _rows(self, run: _Run) -> npt.NDArray[np.uint32]:
        rows: npt.NDArray[np.uint32] = self._tables[run.shard][run.first : run.first + run.length]
        return rows


class _OpenShard:
    """A tar opened for reading until nobody refers to it any more."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)
