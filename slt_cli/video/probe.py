"""What a video file says about itself, and why it may not be a video at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.video.containers import file_state
from slt_cli.video.pixels import quarter_turns, shown_size

MAX_PIXELS = 2**26
"""Largest picture that is decoded: 67 million pixels, twice an 8K frame."""

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".wmv", ".flv", ".3gp", ".ogv", ".gif",
)  # fmt: skip
"""Endings by which videos are found in a folder."""

_NO_INDEX = "the video's index (moov) is missing or cut: incomplete download?"
_AGAIN = "download or copy the file again"
_PLAYS = "give a file that a video player plays"
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_ALMOST_SQUARE = Fraction(1, 100)
_MOST_STRETCHED = 4


@dataclass(frozen=True)
class VideoInfo:
    """Facts from the header of a video, or of a folder of pictures.

    `width` and `height` are those of the picture as shown: made of square pixels where the stored
    ones are `pixel_aspect` times as wide as high, and turned by `rotation` degrees
    counter-clockwise. `num_frames` is the header's count, 0 when it has none. `duration_s` and
    `fps` are None when unknown. `interlaced`: frames are woven from two half pictures (they are
    read as they are).
    """

    path: Path
    width: int
    height: int
    rotation: int
    fps: Fraction | None
    duration_s: float | None
    num_frames: int
    codec: str
    pixel_aspect: Fraction = Fraction(1)
    interlaced: bool = False


def probe_video(path: Path) -> VideoInfo:
    """Read the header and the first frame of a video.

    Raises `UsageError` for a path that does not exist, `InputError` for what is not a video and
    `MissingAsset` for a codec that this build of FFmpeg cannot decode.
    """
    with open_video(path) as (container, stream):
        return video_info(path, container, stream, _first_frame(container, stream))


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream, set to decode in this thread alone.

    Raises like `probe_video`, and `InputError` for pictures larger than `MAX_PIXELS`.
    """
    with _open(path) as container:
        stream = _video_stream(path, container)
        codec = stream.codec_context
        if codec is None and file_state(path) == "cut":
            raise InputError(_NO_INDEX, where=str(path), hint=_AGAIN)
        if codec is None:
            raise MissingAsset(
                "the video's codec is not in this build of FFmpeg", where=str(path),
                hint=f"convert it: ffmpeg -i {path.name} -c:v libx264 converted.mp4; slt doctor",
            )  # fmt: skip
        width, height = shown_size(codec.width, codec.height, pixel_aspect(stream), None)
        if max(width, codec.width) * height > MAX_PIXELS:
            raise InputError(
                f"the picture is {width} x {height}, more than {MAX_PIXELS} pixels",
                where=str(path), hint="scale the video down first",
            )  # fmt: skip
        # Several threads per decoder have hung on damaged streams, and gain nothing beside the
        # estimator. FFmpeg itself checks the limit when the picture size changes.
        codec.thread_count = 1
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, stream


def video_info(
    path: Path, container: InputContainer, stream: VideoStream, frame: VideoFrame | None
) -> VideoInfo:
    """Facts of an opened video; how it is turned and woven is told by a decoded `frame`."""
    codec = stream.codec_context
    aspect = pixel_aspect(stream)
    width, height = shown_size(codec.width, codec.height, aspect, frame)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        rotation=90 * quarter_turns(frame) if frame is not None else 0,
        fps=stream.average_rate or stream.guessed_rate or None,
        duration_s=_own_duration_s(container, stream) or _file_duration_s(container),
        num_frames=stream.frames,
        codec=codec.name,
        pixel_aspect=aspect,
        interlaced=frame is not None and bool(frame.interlaced_frame),
    )


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width over height of a pixel; 1 also where it differs by less than 1 % or makes no sense."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if abs(aspect - 1) < _ALMOST_SQUARE or not 1 <= max(aspect, 1 / aspect) <= _MOST_STRETCHED:
        return Fraction(1)
    return aspect


def promised_end_s(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """When the frames should end by the header, and whether it speaks of the video alone.

    Otherwise the time is that of the whole file, which sound may prolong. None if unknown.
    """
    if container.format.name == "gif":  # its duration is that of the frames found
        return None, True
    own_s, file_s = _own_duration_s(container, stream), _file_duration_s(container)
    duration_s = own_s or file_s
    begins_s = 0.0 if _stores_ends(container) else start_s(container, stream)
    return (None if duration_s is None else begins_s + duration_s), own_s is not None


def start_s(container: InputContainer, stream: VideoStream) -> float:
    """When the first frame is shown, according to the header."""
    if stream.start_time is not None and stream.time_base is not None:
        return float(stream.start_time * stream.time_base)
    return (container.start_time or 0) / av.time_base


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise missing_path(path)
    if path.is_dir():
        raise InputError("a folder, not a video file", where=str(path))
    if not path.is_file():
        raise InputError("a pipe or a device, not a file", where=str(path), hint="save it first")
    try:
        # An absolute path, as 10:30.mp4 would be taken for the address of a protocol "10"; local
        # files alone, as a playlist may name others.
        name, local = str(path.absolute()), {"protocol_whitelist": "file"}
        return av.open(name, options=local, metadata_errors="replace")
    except PermissionError as error:
        raise InputError("no permission to read the video", where=str(path)) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        message, hint = _why_not_a_video(path, error)
        raise InputError(message, where=str(path), hint=hint) from error


def missing_path(path: Path) -> UsageError:
    """The error for a path that does not exist, with names of its folder that look alike."""
    folder = path.parent
    siblings = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    near = get_close_matches(path.name, siblings, n=3, cutoff=0.6)
    if path.is_symlink():
        return UsageError("a link that leads nowhere", where=str(path))
    names = " or ".join(str(folder / name) for name in near)
    hint = f"did you mean {names}?" if near else f"ls {folder} shows what is there"
    return UsageError("no such file or folder", where=str(path), hint=hint)


def _why_not_a_video(path: Path, error: Exception) -> tuple[str, str | None]:
    with path.open("rb") as handle:
        head = handle.read(1024)
    if not head:
        return "not a video: the file is empty", _AGAIN
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "not a video (looks like HTML)", "open it in a browser: it may say why"
    if head[4:8] == b"ftyp":
        return _NO_INDEX, _AGAIN
    if b"\0" not in head and head.isascii():
        return "not a video (looks like text)", _PLAYS
    return f"not a video ({str(error).strip() or type(error).__name__})", _PLAYS


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED_PICTURE]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams} - {"video"})) or "nothing else"
        cover = " beside a cover picture" if container.streams.video else ""
        raise InputError(f"no video stream: the file holds {kinds}{cover}", where=str(path))
    best = container.streams.best("video")
    return next((s for s in streams if best is not None and s.index == best.index), streams[0])


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    try:
        return next(iter(container.decode(stream)), None)
    except (av.FFmpegError, ValueError):
        return None


def _own_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration of the video stream alone; Matroska keeps it in a tag, Flash video not at all."""
    if not _stores_ends(container):
        if not stream.duration or stream.time_base is None:
            return None
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with suppress(ValueError):
            return 3600 * int(tag[0]) + 60 * int(tag[1]) + float(tag[2]) or None
    return None


def _stores_ends(container: InputContainer) -> bool:
    """Whether what a header calls duration is the time at which the last frame ends.

    FFmpeg may then give the stream the duration of the file.
    """
    return any(name in container.format.name for name in ("matroska", "flv"))


def _file_duration_s(container: InputContainer) -> float | None:
    return container.duration / av.time_base if container.duration else None
