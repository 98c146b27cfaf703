"""Frames of a video with their times, as far as a damaged file yields them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slt_cli.errors import InputError
from slt_cli.video.probe import VideoInfo, open_video, quarter_turns, video_info

_SMALLEST_STEP_S = 0.001
_DEFAULT_STEP_S = 0.04


@dataclass(frozen=True)
class Frame:
    """One picture, upright: `rgb` (H, W, 3) uint8, shown at `time_s`."""

    index: int
    time_s: float
    rgb: npt.NDArray[np.uint8]
    is_corrupt: bool


@dataclass
class DamageReport:
    """What was wrong with a video; complete once all its frames were read.

    `corrupt_frames` are those the decoder marks, `bad_packets` pieces it could not read, `gaps`
    steps of more than 1.5 times the usual one (also natural at variable frame rate), `pts_repaired`
    times that were missing or did not increase. `expected_s` is when the header lets the video end
    (None if unknown), `last_s` when its last frame ends.
    """

    frames: int = 0
    corrupt_frames: int = 0
    bad_packets: int = 0
    gaps: int = 0
    pts_repaired: int = 0
    expected_s: float | None = None
    last_s: float = 0.0
    step_s: float = _DEFAULT_STEP_S

    @property
    def is_truncated(self) -> bool:
        """Whether the frames end early, by more than 2 frames and 2 % of the time."""
        if self.expected_s is None:
            return False
        return self.expected_s - self.last_s > max(2 * self.step_s, 0.02 * self.expected_s)

    @property
    def is_damaged(self) -> bool:
        """Whether frames are missing or wrong."""
        return bool(self.corrupt_frames or self.bad_packets or self.is_truncated)

    def describe(self) -> str:
        """The damage in words, empty when there is none."""
        words = []
        if self.is_truncated and self.expected_s is not None:
            words.append(f"it ends at {self.last_s:.2f} s instead of {self.expected_s:.2f} s")
        if self.bad_packets:
            words.append(f"{self.bad_packets} unreadable packets")
        if self.corrupt_frames:
            words.append(f"{self.corrupt_frames} corrupt frames")
        return ", ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the verdicts."""
        return asdict(self) | {"is_truncated": self.is_truncated, "is_damaged": self.is_damaged}


@dataclass
class _Clock:
    """Times of the frames, made strictly increasing."""

    step_s: float
    unit_s: Fraction
    times: list[float] = field(default_factory=list)
    repaired: int = 0
    end_s: float = 0.0

    def tell(self, frame: VideoFrame) -> float:
        # Not frame.time: frames that leave the decoder last carry no unit of time.
        time_s = float(frame.pts * self.unit_s) if frame.pts is not None else None
        if time_s is None or (self.times and time_s <= self.times[-1]):
            self.repaired += 1
            ahead = self.step_s if time_s is None else _SMALLEST_STEP_S
            time_s = self.times[-1] + ahead if self.times else 0.0
        self.times.append(time_s)
        self.end_s = time_s + float((getattr(frame, "duration", 0) or 0) * self.unit_s)
        return time_s

    def steps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.times)]


class VideoReader:
    """Iterate once over the frames of a video, keeping only one in memory.

    Use as a context manager. `info` holds the header's facts; `damage` is complete after the last
    frame. Bad packets are counted and skipped. Raises `InputError` while iterating when there is no
    frame at all or when the picture size changes, and on opening like `probe_video`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = DamageReport()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._container, self._stream = self._stack.enter_context(open_video(self.path))
        self.info: VideoInfo = video_info(self.path, self._container, self._stream, rotation=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Frame]:
        clock = _Clock(_nominal_step(self.info), self._stream.time_base or Fraction(1, 1000))
        size = None
        for frame in self._decoded():
            rgb = _upright_rgb(frame)
            if size is None:
                size = rgb.shape
                self.info = video_info(
                    self.path, self._container, self._stream, 90 * quarter_turns(frame)
                )
            time_s = clock.tell(frame)
            if rgb.shape != size:
                raise InputError(
                    f"the picture size changes from {size[1]} x {size[0]} to "
                    f"{rgb.shape[1]} x {rgb.shape[0]} at {time_s:.2f} s",
                    where=str(self.path), hint="split the video there",
                )  # fmt: skip
            corrupt = bool(frame.is_corrupt)
            self.damage.corrupt_frames += corrupt
            self.damage.frames += 1
            yield Frame(self.damage.frames - 1, time_s, rgb, corrupt)
        if not self.damage.frames:
            raise InputError(
                f"not one frame can be decoded ({self.damage.bad_packets} unreadable packets)",
                where=str(self.path), hint="download or copy the file again",
            )  # fmt: skip
        self._finish(clock)

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            try:
                yield from self._stream.decode(packet)
            except av.EOFError:
                return
            except (av.FFmpegError, ValueError):
                self.damage.bad_packets += 1

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Packets of the stream; None at the end lets the decoder empty itself.

        A demuxer may go on after an error, but not after two in a row.
        """
        failed = False
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failed = False
                    if packet.size:
                        yield packet
                break
            except (av.FFmpegError, ValueError) as error:
                if isinstance(error, av.EOFError) or failed:
                    break
                self.damage.bad_packets += 1
                failed = True
        yield None

    def _finish(self, clock: _Clock) -> None:
        steps = clock.steps()
        step_s = median(steps) if steps else clock.step_s
        damage = self.damage
        damage.step_s = step_s
        damage.pts_repaired = clock.repaired
        damage.gaps = sum(step > 1.5 * step_s for step in steps)
        damage.last_s = max(clock.end_s, clock.times[-1] + step_s)
        if self.info.duration_s is not None:
            damage.expected_s = _start_s(self._container, self._stream) + self.info.duration_s


def _upright_rgb(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = quarter_turns(frame)
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _nominal_step(info: VideoInfo) -> float:
    return float(1 / info.fps) if info.fps else _DEFAULT_STEP_S


def _start_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.start_time is not None and stream.time_base is not None:
        return float(stream.start_time * stream.time_base)
    return (container.start_time or 0) / av.time_base
