"""The crops of a corpus, wherever they lie: loose JPEGs, or packed in shards."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from slt_cli.corpus.packed_crops import PackedCrops
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths, crop_name
from slt_cli.errors import InputError

Found = TypeVar("Found")
_CROP_NAME = re.compile(r"(?P<id>.+)_f(?P<frame>\d{6,})\.jpg", re.DOTALL)
_REMEMBERED = 4096  # clips of which is known whether they are loose


class CropStore:
    """Bytes of crops by stream (`face`, `hand_l`, `hand_r`), clip and frame.

    Loose crops win over packed ones: a clip that was extracted again after packing is loose and
    newer. A clip counts as loose as long as its frame 0 is, which is the first that packing
    removes, so that an interrupted packing leaves no clip that is half of each kind.

    May be pickled (the copy reads the indexes again), forked, and used by several threads. When a
    corpus is packed while a store reads it, the store notices that the loose crops are gone.

    Raises `InputError` naming the shard when one is missing, cut or badly indexed.
    """

    def __init__(self, corpus: CorpusPaths) -> None:
        self._corpus = corpus
        self._folders = {stream: str(corpus.crop_dir(stream)) for stream in CROP_STREAMS}
        self._loose: dict[str, dict[str, array[int]]] = {}
        self._exists = lru_cache(_REMEMBERED)(os.path.exists)
        self._packed = PackedCrops.load(corpus.shard_dir)

    def __reduce__(self) -> tuple[type[CropStore], tuple[CorpusPaths]]:
        return CropStore, (self._corpus,)

    def read(self, stream: str, video_id: str, frame: int) -> bytes:
        """The JPEG of one frame. Raises `InputError` when it is missing or its shard damaged."""
        return self._look(self._read, stream, video_id, frame)

    def size(self, stream: str, video_id: str, frame: int) -> int:
        """Bytes of the JPEG of one frame. Raises `InputError` when it is missing."""
        return self._look(self._size, stream, video_id, frame)

    def frames(self, stream: str, video_id: str) -> list[int]:
        """Sorted numbers of the frames that have a crop, from one listing of the folder."""
        loose = self._listing(stream).get(video_id, ())
        if not loose or loose[0] != 0:
            return self._packed.frames(stream, video_id) or list(loose)
        return list(loose)

    def clips(self, stream: str) -> list[str]:
        """Sorted ids of the clips with crops of `stream`, from one listing of the folder."""
        return sorted({*self._listing(stream), *self._packed.clips(stream)})

    def refresh(self) -> None:
        """Forget what lay where."""
        self._loose.clear()
        self._exists.cache_clear()
        self._packed = PackedCrops.load(self._corpus.shard_dir)

    def close(self) -> None:
        """Close the shards; reading opens them again."""
        self._packed.close()

    def _look(
        self, find: Callable[[str, str, int], Found | None], stream: str, video_id: str, frame: int
    ) -> Found:
        found = find(stream, video_id, frame)
        if found is None:
            self.refresh()
            found = find(stream, video_id, frame)
        if found is None:
            raise InputError(
                "crop missing", where=self._path(stream, video_id, frame),
                hint="slt validate CORPUS, then slt extract again",
            )  # fmt: skip
        return found

    def _read(self, stream: str, video_id: str, frame: int) -> bytes | None:
        if self._in_shards(stream, video_id):
            return self._packed.read(stream, video_id, frame)
        try:
            with open(self._path(stream, video_id, frame), "rb") as handle:
                return handle.read()
        except OSError:
            return None

    def _size(self, stream: str, video_id: str, frame: int) -> int | None:
        if self._in_shards(stream, video_id):
            return self._packed.size(stream, video_id, frame)
        try:
            return os.stat(self._path(stream, video_id, frame)).st_size
        except OSError:
            return None

    def _in_shards(self, stream: str, video_id: str) -> bool:
        packed = self._packed.holds(stream, video_id)
        return packed and not self._exists(self._path(stream, video_id, 0))

    def _path(self, stream: str, video_id: str, frame: int) -> str:
        return f"{self._folders[stream]}{os.sep}{crop_name(video_id, frame)}"

    def _listing(self, stream: str) -> dict[str, array[int]]:
        if stream not in self._loose:
            self._loose[stream] = list_loose(self._corpus.crop_dir(stream))
        return self._loose[stream]


def parse_crop_name(name: str) -> tuple[str, int] | None:
    """Clip id and frame number of a crop's file name, or None for another name."""
    match = _CROP_NAME.fullmatch(name)
    return (match["id"], int(match["frame"])) if match else None


def list_loose(folder: Path) -> dict[str, array[int]]:
    """Clip id -> sorted frame numbers of the crops in a folder, four bytes for each crop."""
    found: dict[str, array[int]] = {}
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:
        for entry in entries:
            if parsed := parse_crop_name(entry.name):
                found.setdefault(parsed[0], array("I")).append(parsed[1])
    return {video_id: array("I", sorted(frames)) for video_id, frames in found.items()}
