"""Which crops a corpus holds, loose or packed, and what is wrong with its shards."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.shard_index import list_indexes, load_index, verify_shard
from slt_cli.errors import InputError

_NOWHERE = Path(os.devnull)


class CropListing:
    """The crops of a corpus, as training would read them.

    `shard_errors` names the shards that are cut, altered or badly indexed. While there is one, only
    loose crops are listed, because nothing could be read from the others.
    """

    def __init__(self, paths: CorpusPaths) -> None:
        self.shard_errors = _check_shards(paths)
        if any(is_fatal for _, is_fatal in self.shard_errors):
            paths = replace(paths, shard_dir=_NOWHERE)
        self._store = CropStore(paths)
        self._clips = cache(lambda stream: frozenset(self._store.clips(stream)))

    def streams(self, video_id: str) -> tuple[str, ...]:
        """The crop streams that the clip has at least one crop of."""
        return tuple(stream for stream in CROP_STREAMS if video_id in self._clips(stream))

    def frames(self, stream: str, video_id: str) -> npt.NDArray[np.int64]:
        """Sorted frame numbers of a clip's crops."""
        return np.array(self._store.frames(stream, video_id), np.int64)

    def read(self, stream: str, video_id: str, frame: int) -> bytes:
        """The JPEG of one crop. Raises `InputError` when it cannot be read."""
        return self._store.read(stream, video_id, frame)

    def clips(self, stream: str) -> frozenset[str]:
        """Ids of the clips with crops in this stream."""
        return self._clips(stream)


def _check_shards(paths: CorpusPaths) -> list[tuple[str, bool]]:
    """Each fault of a shard, and whether it keeps a store from opening."""
    found = []
    for path in list_indexes(paths.shard_dir):
        try:
            index = load_index(path)
        except InputError as error:
            found.append((error.message, True))
            continue
        try:
            verify_shard(index)
        except InputError as error:
            found.append((error.message, False))
    return found
