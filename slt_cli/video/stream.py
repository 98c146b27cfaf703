"""The decoded frames of one file with their times, from any place on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slt_cli.video.damage import DEFAULT_STEP_S
from slt_cli.video.probe import open_video, promised_end_s, start_s

_SMALLEST_STEP_S = 0.001
_STEPS_BACK_S = (0.0, 0.5, 2.0, 10.0)
_FROM_THE_START = frozenset({"gif", "apng"})
"""Formats whose frames build on all before them, whatever their key frames say."""
_CODING_ORDER = frozenset({"h264", "hevc"})
"""Codecs whose frames change places too freely for AVI, which stores no times of display."""


class TimedFrame(NamedTuple):
    """A decoded picture, shown from `time_s` to `end_s` (which is `time_s` where that is unknown).

    `is_repaired`: its time was missing or did not increase.
    """

    time_s: float
    end_s: float
    is_repaired: bool
    picture: VideoFrame


@dataclass
class Clock:
    """Times of the frames, made strictly increasing.

    `step_s` is assumed where there is no time at all. `by_coding_order`: frames tell the time of
    the packet that released them, counted from that of the first.
    """

    step_s: float
    unit_s: Fraction
    by_coding_order: bool = False
    last_s: float | None = None
    repaired: int = 0
    end_s: float = 0.0
    _first: int | None = field(default=None, repr=False)

    def tell(self, frame: VideoFrame) -> float:
        """Time of the next frame in seconds."""
        # Not frame.time: frames that leave the decoder last carry no unit of time.
        ticks = self._released(frame) if self.by_coding_order else frame.pts
        time_s = float(ticks * self.unit_s) if ticks is not None else None
        if time_s is None or (self.last_s is not None and time_s <= self.last_s):
            self.repaired += 1
            ahead = self.step_s if time_s is None else _SMALLEST_STEP_S
            time_s = self.last_s + ahead if self.last_s is not None else 0.0
        self.last_s = time_s
        self.end_s = time_s + float((getattr(frame, "duration", 0) or 0) * self.unit_s)
        return time_s

    def _released(self, frame: VideoFrame) -> int | None:
        if self._first is None:
            self._first = frame.dts
        return None if frame.dts is None else frame.dts - (self._first or 0)


class FrameStream:
    """A file opened for reading its frames with their times.

    A context manager. `first_s` is when the header lets the frames begin. `promised_end_s` is when
    it lets them end, or, where
    `promise_is_own` is false, the whole file with its sound. `bad_times_s` tells when the packets
    were due that could not be read (-inf: before any frame), `others_end_s` how far the file's
    other streams went.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def promise_is_guessed(self) -> bool:
        """Whether `promised_end_s` is taken from what is there if the file is cut.

        So it is for fragmented MP4 and for AVI, whose index comes last.
        """
        name = self.container.format.name
        return name == "avi" or ("mp4" in name and not self.stream.frames)

    def frames(self, start_s: float | None = None) -> Iterator[TimedFrame]:
        """Frames and their times from the start, or from a frame that is not after `start_s` on.

        The times and pictures are those that a pass from the start gives. Where the key frame
        before `start_s` cannot be found or read, earlier ones are tried, at last the very start.
        """
        if start_s is not None and self._can_seek(start_s):
            for back_s in _STEPS_BACK_S:
                frames = self._from_key_frame(start_s, start_s - back_s)
                first = next(frames, None)
                if first is not None and first.time_s <= start_s and self._is_sound(first):
                    yield first
                    yield from frames
                    return
                self._open()  # a decoder keeps traces of damage even when it is flushed
        yield from map(self._told, self._decoded(self._packets()))

    def _is_sound(self, first: TimedFrame) -> bool:
        """Whether the first frame was made from its own bytes alone, not patched from others."""
        return not first.picture.is_corrupt and not self.bad_times_s

    def key_frame(self, time_s: float) -> TimedFrame | None:
        """The key frame before `time_s`; None where it cannot be reached by seeking."""
        return next(self._from_key_frame(time_s, time_s), None) if self._can_seek(time_s) else None

    def _open(self) -> None:
        self._stack.close()
        self.container: InputContainer
        self.stream: VideoStream
        self.container, self.stream = self._stack.enter_context(open_video(self._path))
        self._unit_s = self.stream.time_base or Fraction(1, 1000)
        name, codec = self.container.format.name, self.stream.codec_context
        self._by_coding_order = (
            name == "avi" and codec.name in _CODING_ORDER and bool(codec.has_b_frames)
        )
        self.first_s = start_s(self.container, self.stream)
        self.promised_end_s, self.promise_is_own = promised_end_s(self.container, self.stream)
        self._forget()

    def _forget(self) -> None:
        rate = self.stream.average_rate or self.stream.guessed_rate
        step_s = float(1 / rate) if rate else DEFAULT_STEP_S
        self.clock = Clock(step_s, self._unit_s, self._by_coding_order)
        self.bad_times_s: list[float] = []
        self.others_end_s = -math.inf
        self._packet_s = -math.inf

    def _can_seek(self, time_s: float) -> bool:
        return (
            self.stream.start_time is not None
            and time_s > self.first_s
            and self.container.format.name not in _FROM_THE_START
            and not self._by_coding_order
        )

    def _from_key_frame(self, start_s: float, near_s: float) -> Iterator[TimedFrame]:
        """Frames from the key frame before `near_s` on; nothing if it comes after `start_s`."""
        try:
            self.container.seek(math.floor(near_s / self._unit_s), stream=self.stream)
        except (av.FFmpegError, ValueError, OSError):
            return
        self._forget()
        packets = self._packets()
        key = next((p for p in packets if p is not None and p.is_keyframe), None)
        key_pts = None if key is None else _due(key)
        if key_pts is None or key_pts * self._unit_s > start_s:
            return
        for frame in self._decoded(chain([key], packets)):
            if frame.pts is None and self.clock.last_s is None:
                return
            # Pictures shown before the key frame may build on what was not read.
            if frame.pts is None or frame.pts >= key_pts:
                yield self._told(frame)

    def _told(self, frame: VideoFrame) -> TimedFrame:
        repaired = self.clock.repaired
        time_s = self.clock.tell(frame)
        return TimedFrame(time_s, self.clock.end_s, self.clock.repaired > repaired, frame)

    def _decoded(self, packets: Iterable[Packet[VideoStream] | None]) -> Iterator[VideoFrame]:
        for packet in packets:
            try:
                yield from self.stream.decode(packet)
            except av.EOFError:
                return
            except (av.FFmpegError, ValueError):
                self.bad_times_s.append(self._packet_s)

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Packets of the stream; None at the end lets the decoder empty itself.

        A demuxer may go on after an error, but not after two in a row.
        """
        failed = False
        while True:
            try:
                for packet in self.container.demux(*self._watched()):
                    failed = False
                    if packet.size and self._is_ours(packet):
                        yield packet
                break
            except (av.FFmpegError, ValueError) as error:
                if isinstance(error, av.EOFError) or failed:
                    break
                self.bad_times_s.append(self._packet_s)
                failed = True
        yield None

    def _watched(self) -> list[Any]:
        """The streams to read: others too if only they can tell whether the end is missing."""
        if self.promised_end_s is None or self.promise_is_own:
            return [self.stream]
        others = [*self.container.streams.audio, *self.container.streams.video]
        return [self.stream, *(s for s in others if s.index != self.stream.index)]

    def _is_ours(self, packet: Packet[Any]) -> bool:
        due = _due(packet)
        ours: bool = packet.stream.index == self.stream.index
        if due is not None and packet.time_base is not None:
            time_s = float(due * packet.time_base)
            if ours:
                self._packet_s = time_s
            else:
                end_s = time_s + float((packet.duration or 0) * packet.time_base)
                self.others_end_s = max(self.others_end_s, end_s)
        return ours


def _due(packet: Packet[Any]) -> int | None:
    return packet.pts if packet.pts is not None else packet.dts
