"""A folder of numbered pictures read as one video."""

from __future__ import annotations

import math
import os
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.video.damage import DamageReport, count_gaps
from slt_cli.video.decode import Frame, Keep, Span
from slt_cli.video.pictures import UNREADABLE, picture_size, read_picture
from slt_cli.video.probe import VIDEO_SUFFIXES, VideoInfo, missing_path

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
_NUMBER = re.compile(r"([0-9]+)")
_ONLY_SUBFOLDER = "1"  # RWTH-PHOENIX-Weather keeps the pictures of a clip in <clip>/1/

Numbered = list[tuple[int, Path]]


def is_frames_folder(path: Path) -> bool:
    """Whether a folder holds one video as pictures: two at least, named alike but for a number.

    Folders with a video file or with several series of pictures do not. The pictures may lie in
    the folder's only subfolder `1`. Raises `InputError` for a folder that may not be read.
    """
    return path.is_dir() and len(_series(path)) == 1


def frame_files(path: Path) -> list[Path]:
    """The pictures of a folder of frames in order. Raises `InputError` when it is not one."""
    return [picture for _, picture in _numbered(path)]


class FolderReader:
    """Iterate once over a folder of numbered pictures; the counterpart of `VideoReader`.

    The picture with the lowest number is shown at 0 s, one numbered n higher n / `frames_fps`
    seconds later; missing numbers thus leave gaps. An unreadable picture counts as a bad packet
    and leaves a gap too. `span`, `keep`, `info` and `damage` are as in `VideoReader`; pictures that
    are not kept are not opened.

    Raises `InputError` on opening when the folder is no series of pictures, when none can be read
    or two have the same number; while iterating when a picture has another size.
    """

    def __init__(
        self,
        path: Path,
        *,
        frames_fps: float = 25.0,
        span: Span = (None, None),
        keep: Keep | None = None,
    ) -> None:
        self.path = path
        self.damage = DamageReport(step_s=1 / frames_fps)
        self._fps = frames_fps
        self._start_s = -math.inf if span[0] is None else span[0]
        self._end_s = math.inf if span[1] is None else span[1]
        self._keep = keep

    def __enter__(self) -> Self:
        self._pictures = _numbered(self.path)
        first, last = self._pictures[0][0], self._pictures[-1][0]
        width, height = self._first_size()
        self.info = VideoInfo(
            path=self.path,
            width=width,
            height=height,
            rotation=0,
            fps=Fraction(self._fps).limit_denominator(1001),
            duration_s=(last - first + 1) / self._fps,
            num_frames=len(self._pictures),
            codec=self._pictures[0][1].suffix.lower().lstrip("."),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def __iter__(self) -> Iterator[Frame]:
        times = array("d")
        first = self._pictures[0][0]
        for number, path in self._pictures:
            time_s = (number - first) / self._fps
            if not self._start_s <= time_s < self._end_s:
                continue
            rgb = None
            if self._keep is None or self._keep(time_s):
                rgb = self._read(path)
                if rgb is None:
                    continue
            times.append(time_s)
            self.damage.frames += 1
            if rgb is not None:
                yield Frame(self.damage.frames - 1, time_s, rgb, is_corrupt=False)
        if times:
            self.damage.step_s, self.damage.gaps = count_gaps(times, self.damage.step_s)
            self.damage.first_s = times[0]
            self.damage.last_s = times[-1] + 1 / self._fps

    def _read(self, path: Path) -> npt.NDArray[np.uint8] | None:
        try:
            rgb = read_picture(path)
        except UNREADABLE:
            self.damage.bad_packets += 1
            return None
        if rgb.shape[:2] != (self.info.height, self.info.width):
            raise InputError(
                f"the picture is {rgb.shape[1]} x {rgb.shape[0]}, those before it are "
                f"{self.info.width} x {self.info.height}",
                where=str(path), hint="put pictures of one size into a folder",
            )  # fmt: skip
        return rgb

    def _first_size(self) -> tuple[int, int]:
        reasons = []
        for _, path in self._pictures:
            try:
                return picture_size(path)
            except UNREADABLE as error:
                reasons.append(str(error))
        raise InputError(
            f"none of the {len(self._pictures)} pictures can be read ({reasons[0]})",
            where=str(self.path), hint="copy the folder again",
        )  # fmt: skip


def _numbered(path: Path) -> Numbered:
    """The pictures of a folder by number."""
    if not path.exists():
        raise missing_path(path)
    series = _series(path) if path.is_dir() else []
    if len(series) != 1:
        what = f"{len(series)} series of" if series else "no"
        raise InputError(
            f"{what} numbered pictures, not one", where=str(path),
            hint="a folder of frames holds pictures like 0001.png, 0002.png, ... of one video",
        )  # fmt: skip
    pictures = series[0]
    for (number, one), (following, other) in pairwise(pictures):
        if number == following:
            raise InputError(
                f"{one.name} and {other.name} have the same number", where=str(path),
                hint="keep one of them",
            )  # fmt: skip
    return pictures


def _series(folder: Path) -> list[Numbered]:
    """Pictures of each naming that has two or more and one number that differs, by that number."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except PermissionError as error:
        raise InputError("no permission to read the folder", where=str(folder)) from error
    if any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in names):
        return []
    if names == [_ONLY_SUBFOLDER] and (folder / _ONLY_SUBFOLDER).is_dir():
        return _series(folder / _ONLY_SUBFOLDER)
    by_naming: dict[tuple[str, ...], list[tuple[list[int], str]]] = defaultdict(list)
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in _PICTURES:
            parts = _NUMBER.split(stem)
            numbers = [int(number) for number in parts[1::2]]
            by_naming[(*parts[::2], suffix.lower())].append((numbers, name))
    found = [_by_number(folder, named) for named in by_naming.values() if len(named) > 1]
    return [pictures for pictures in found if pictures]


def _by_number(folder: Path, named: list[tuple[list[int], str]]) -> Numbered:
    columns = list(zip(*(numbers for numbers, _ in named), strict=True))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(differing) != 1:
        return []
    return sorted((numbers[differing[0]], folder / name) for numbers, name in named)
