"""Frames of a video or a span of it with their times, as far as a damaged file yields them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from slt_cli.errors import InputError
from slt_cli.video.containers import file_state
from slt_cli.video.damage import DamageReport, count_gaps, merge_damage
from slt_cli.video.pixels import rgb_picture, shown_size
from slt_cli.video.probe import VideoInfo, video_info
from slt_cli.video.stream import FrameStream, TimedFrame

__all__ = ["DamageReport", "Frame", "Keep", "Span", "VideoReader", "merge_damage"]

Span = tuple[float | None, float | None]
Keep = Callable[[float], bool]
_INTERLEAVING_S = 1.0


@dataclass(frozen=True)
class Frame:
    """One picture as shown: `rgb` (H, W, 3) uint8 at `time_s`.

    `index` counts the frames of the span, those that were not kept included.
    """

    index: int
    time_s: float
    rgb: npt.NDArray[np.uint8]
    is_corrupt: bool


class VideoReader:
    """Iterate once over the frames of a video, keeping only one in memory.

    Only frames with `span[0] <= time_s < span[1]` are given (None: from the start, to the end);
    what lies before is skipped by seeking, and consecutive spans give together what one pass gives.
    `keep(time_s)` is asked once per frame in order; False saves converting it to RGB.

    Use as a context manager. `info` holds the header's facts, how the picture is turned once the
    first frame was read; `damage` is complete after the last frame. Bad packets are counted and
    skipped; a span counts those that were due in it (one without a time is due with the one
    before). However many frames a header promises, nothing is allocated for them.

    Raises `InputError` while iterating when no frame of the file can be decoded or when the picture
    size changes, and on opening like `probe_video`. A span in which no frame lies gives none.
    """

    def __init__(self, path: Path, *, span: Span = (None, None), keep: Keep | None = None) -> None:
        self.path = path
        self.damage = DamageReport()
        self._span = span
        self._start_s = -math.inf if span[0] is None else span[0]
        self._end_s = math.inf if span[1] is None else span[1]
        self._keep = keep
        self._times = array("d")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._source = self._stack.enter_context(FrameStream(self.path))
        self.info: VideoInfo = self._info(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Frame]:
        reached_end = False
        for timed in self._source.frames(self._span[0]):
            if timed.time_s >= self._end_s:
                reached_end = True
                break
            if timed.time_s < self._start_s:
                continue
            self._count(timed)
            if self._keep is None or self._keep(timed.time_s):
                rgb = rgb_picture(timed.picture, self.info.pixel_aspect)
                index, is_corrupt = self.damage.frames - 1, bool(timed.picture.is_corrupt)
                yield Frame(index, timed.time_s, rgb, is_corrupt)
        if self._source.clock.last_s is None:
            raise InputError(
                f"not one frame can be decoded ({len(self._source.bad_times_s)} unreadable "
                "packets)", where=str(self.path), hint="download or copy the file again",
            )  # fmt: skip
        self._finish(reached_end)

    def _info(self, frame: VideoFrame | None) -> VideoInfo:
        return video_info(self.path, self._source.container, self._source.stream, frame)

    def _count(self, timed: TimedFrame) -> None:
        """Enter a frame of the span into the report; its size must be that of the first."""
        frame = timed.picture
        if not self._times:
            self.info = self._info(frame)
        shown = shown_size(frame.width, frame.height, self.info.pixel_aspect, frame)
        if shown != (self.info.width, self.info.height):
            raise InputError(
                f"the picture size changes from {self.info.width} x {self.info.height} to "
                f"{shown[0]} x {shown[1]} at {timed.time_s:.2f} s",
                where=str(self.path), hint="split the video there",
            )  # fmt: skip
        self._times.append(timed.time_s)
        self.damage.frames += 1
        if len(self._source.bad_times_s) > self.damage.bad_packets:
            self._count_bad_packets()
        self.damage.corrupt_frames += bool(frame.is_corrupt)
        self.damage.pts_repaired += timed.is_repaired
        self.damage.last_s = timed.end_s

    def _count_bad_packets(self) -> None:
        self.damage.bad_packets = sum(
            self._start_s <= due_s < self._end_s for due_s in self._source.bad_times_s
        )

    def _finish(self, reached_end: bool) -> None:
        damage, clock, times = self.damage, self._source.clock, self._times
        damage.step_s, damage.gaps = count_gaps(times, clock.step_s)
        self._count_bad_packets()
        damage.first_s = times[0] if times else self._span[0] or 0.0
        shown_s = times[-1] if times else clock.last_s or 0.0
        end_s = damage.last_s if times else clock.end_s
        damage.last_s = end_s if end_s > shown_s else shown_s + damage.step_s
        if not reached_end:
            state = file_state(self.path)
            damage.file_is_cut, damage.file_is_broken = state == "cut", state == "broken"
            damage.expected_s = self._source.promised_end_s
            self._weigh_promise()

    def _weigh_promise(self) -> None:
        """Take back what the header promises where it does not speak of these frames."""
        source, damage = self._source, self.damage
        if damage.expected_s is None:
            return
        if damage.file_is_cut and source.promise_is_guessed:
            damage.expected_s = None
            return
        if not source.promise_is_own:
            # The promise is that of the whole file. Where its sound goes on after the last frame,
            # or keeps the promise, no frames are missing.
            goes_on = source.others_end_s - damage.last_s > _INTERLEAVING_S
            others = replace(damage, last_s=source.others_end_s)
            if goes_on or not (damage.file_is_cut or others.is_truncated):
                damage.expected_s, damage.file_is_cut = None, False
                return
        if damage.expected_s <= self._start_s:
            damage.expected_s, damage.file_is_cut = None, False
        else:
            damage.expected_s = min(damage.expected_s, self._end_s)
