"""Which crops a corpus holds, loose or packed, from one listing of each folder."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.errors import InputError

_CROP_NAME = re.compile(r"(?P<id>.+)_f(?P<frame>\d{6,})\.jpg$", re.DOTALL)


class CropListing:
    """Frame numbers of every clip and crop stream, four bytes each; `strays` fit no clip's name."""

    def __init__(self, paths: CorpusPaths) -> None:
        self._paths = paths
        self._frames: dict[str, dict[str, array[int]]] = {stream: {} for stream in CROP_STREAMS}
        self.strays: list[Path] = []
        for stream in CROP_STREAMS:
            for name in _names_in(paths.crop_dir(stream)):
                if match := _CROP_NAME.match(name):
                    known = self._frames[stream].setdefault(match["id"], array("I"))
                    known.append(int(match["frame"]))
                else:
                    self.strays.append(paths.crop_dir(stream) / name)

    def streams(self, video_id: str) -> tuple[str, ...]:
        """The crop streams that the clip has at least one crop of."""
        return tuple(stream for stream in CROP_STREAMS if video_id in self._frames[stream])

    def frames(self, stream: str, video_id: str) -> npt.NDArray[np.int64]:
        """Sorted frame numbers of a clip's crops."""
        return np.sort(np.array(self._frames[stream].get(video_id, ()), np.int64))

    def read(self, stream: str, video_id: str, frame: int) -> bytes:
        """The JPEG of one crop. Raises `InputError` when it cannot be read."""
        path = self._paths.crop_path(stream, video_id, frame)
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error

    def clips(self, stream: str) -> set[str]:
        """Ids of the clips with crops in this stream."""
        return set(self._frames[stream])


def _names_in(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
