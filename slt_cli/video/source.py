"""What frames come from: a video file or a folder of numbered pictures, whole or a span of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from slt_cli.video.damage import DamageReport, merge_damage
from slt_cli.video.decode import Frame, Keep, Span, VideoReader
from slt_cli.video.frames_folder import FolderReader
from slt_cli.video.pixels import rgb_picture
from slt_cli.video.probe import VideoInfo, pixel_aspect, probe_video, video_info
from slt_cli.video.stream import FrameStream

__all__ = ["FrameSource", "merge_damage", "open_source", "sample_frames", "source_info"]

_EVERYTHING: Span = (None, None)


class FrameSource(Protocol):
    """A context manager to iterate over once; `damage` is complete after the last frame."""

    info: VideoInfo
    damage: DamageReport

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __iter__(self) -> Iterator[Frame]: ...


def open_source(
    path: Path, *, span: Span = _EVERYTHING, frames_fps: float = 25.0, keep: Keep | None = None
) -> FrameSource:
    """The frames with `span[0] <= time_s < span[1]` of a video file, or of a folder of pictures.

    Times are the video's own; `frames_fps` is the rate of a folder. `keep(time_s)` is asked once
    per frame in order; frames that it refuses are counted, but neither converted nor given.
    Raises like `VideoReader` and `FolderReader`.
    """
    if path.is_dir():
        return FolderReader(path, frames_fps=frames_fps, span=span, keep=keep)
    return VideoReader(path, span=span, keep=keep)


def source_info(path: Path, *, frames_fps: float = 25.0) -> VideoInfo:
    """Facts from the header and the first frame. Raises like `open_source`."""
    if not path.is_dir():
        return probe_video(path)
    with FolderReader(path, frames_fps=frames_fps) as reader:
        return reader.info


def sample_frames(
    path: Path, count: int, *, span: Span = _EVERYTHING, frames_fps: float = 25.0
) -> list[npt.NDArray[np.uint8]]:
    """Up to `count` different pictures (H, W, 3) uint8 spread over a span, in order of time.

    Key frames where they are enough, as they are cheap to reach; otherwise the span is decoded up
    to the last picture. Raises like `open_source`.
    """
    if path.is_dir():
        parts = _parts(count, span, (0.0, source_info(path, frames_fps=frames_fps).duration_s))
    else:
        with FrameStream(path) as stream:
            duration_s = video_info(path, stream.container, stream.stream, None).duration_s
            end_s = None if duration_s is None else stream.first_s + duration_s
            parts = _parts(count, span, (stream.first_s, end_s))
            keys = _key_pictures(stream, [(begin + end) / 2 for begin, end in parts], span)
        if len(keys) == count:
            return keys
    pictures = []
    keep = _first_after([begin for begin, _ in parts])
    with open_source(path, span=span, frames_fps=frames_fps, keep=keep) as source:
        for frame in source:
            pictures.append(frame.rgb)
            if len(pictures) == count:
                break
    return pictures


def _parts(count: int, span: Span, video: Span) -> list[tuple[float, float]]:
    """`count` equal parts of a span of a video; of 1 s each where the end is unknown."""
    start_s = max(span[0] or 0.0, video[0] or 0.0)
    ends = [end_s for end_s in (span[1], video[1]) if end_s is not None]
    length_s = max(min(ends) - start_s, 0.0) / count if ends else 1.0
    return [(start_s + i * length_s, start_s + (i + 1) * length_s) for i in range(count)]


def _key_pictures(
    stream: FrameStream, times: list[float], span: Span
) -> list[npt.NDArray[np.uint8]]:
    pictures: dict[float, npt.NDArray[np.uint8]] = {}
    for time_s in times:
        key = stream.key_frame(time_s)
        if key is None or key.time_s in pictures or key.picture.is_corrupt:
            continue
        if span[0] is None or key.time_s >= span[0]:
            pictures[key.time_s] = rgb_picture(key.picture, pixel_aspect(stream.stream))
    return [pictures[time_s] for time_s in sorted(pictures)]


def _first_after(times: list[float]) -> Callable[[float], bool]:
    """Whether a frame is the first one at or after one of `times`."""
    waiting = list(times)

    def keep(time_s: float) -> bool:
        due = [t for t in waiting if t <= time_s]
        del waiting[: len(due)]
        return bool(due)

    return keep
