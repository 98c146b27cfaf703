"""What a video file says about itself, and why it may not be a video at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from slt_cli.errors import InputError, MissingAsset, UsageError

MAX_PIXELS = 2**26
"""Largest picture that is decoded: 67 million pixels, twice an 8K frame."""

_NO_INDEX = "the video's index (moov) is missing or cut: incomplete download?"
_AGAIN = "download or copy the file again"
_PLAYS = "give a file that a video player plays"
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC


@dataclass(frozen=True)
class VideoInfo:
    """Facts from the header of a video.

    `width` and `height` are those of the picture as shown, after turning it by `rotation` degrees
    counter-clockwise. `num_frames` is the header's count, 0 when it has none. `duration_s` and
    `fps` are None when unknown.
    """

    path: Path
    width: int
    height: int
    rotation: int
    fps: Fraction | None
    duration_s: float | None
    num_frames: int
    codec: str


def probe_video(path: Path) -> VideoInfo:
    """Read the header and the first frame of a video.

    Raises `UsageError` for a path that does not exist, `InputError` for what is not a video and
    `MissingAsset` for a codec that this build of FFmpeg cannot decode.
    """
    with open_video(path) as (container, stream):
        return video_info(path, container, stream, _first_rotation(container, stream))


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream, set to decode in this thread alone.

    Raises like `probe_video`, and `InputError` for pictures larger than `MAX_PIXELS`.
    """
    with _open(path) as container:
        stream = _video_stream(path, container)
        codec = stream.codec_context
        if codec is None and _is_cut_mp4(path):
            raise InputError(_NO_INDEX, where=str(path), hint=_AGAIN)
        if codec is None:
            raise MissingAsset(
                "the video's codec is not in this build of FFmpeg", where=str(path),
                hint=f"convert it: ffmpeg -i {path.name} -c:v libx264 converted.mp4; slt doctor",
            )  # fmt: skip
        if codec.width * codec.height > MAX_PIXELS:
            raise InputError(
                f"the picture is {codec.width} x {codec.height}, more than {MAX_PIXELS} pixels",
                where=str(path), hint="scale the video down first",
            )  # fmt: skip
        # Several threads per decoder have hung on damaged streams, and gain nothing beside the
        # estimator. FFmpeg itself checks the limit when the picture size changes.
        codec.thread_count = 1
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, stream


def video_info(
    path: Path, container: InputContainer, stream: VideoStream, rotation: int
) -> VideoInfo:
    """Facts of an opened video whose frames are to be turned by `rotation` degrees."""
    codec = stream.codec_context
    turned = rotation % 180 != 0
    return VideoInfo(
        path=path,
        width=codec.height if turned else codec.width,
        height=codec.width if turned else codec.height,
        rotation=rotation,
        fps=stream.average_rate or stream.guessed_rate or None,
        duration_s=_duration_s(container, stream),
        num_frames=stream.frames,
        codec=codec.name,
    )


def quarter_turns(frame: VideoFrame) -> int:
    """How many quarter turns counter-clockwise show the frame upright, 0 to 3."""
    return round(getattr(frame, "rotation", 0) / 90) % 4


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise missing_path(path)
    if path.is_dir():
        raise InputError("a folder, not a video file", where=str(path))
    try:
        return av.open(str(path), metadata_errors="replace")
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


def _is_cut_mp4(path: Path) -> bool:
    """Whether the boxes of an MP4 file promise more bytes than it has."""
    total, at = path.stat().st_size, 0
    with path.open("rb") as handle:
        while at + 8 <= total:
            handle.seek(at)
            head = handle.read(16)
            if at == 0 and head[4:8] != b"ftyp":
                return False
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size or total - at
            at += max(size, 8)
    return at != total


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED_PICTURE]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams} - {"video"})) or "nothing else"
        cover = " beside a cover picture" if container.streams.video else ""
        raise InputError(f"no video stream: the file holds {kinds}{cover}", where=str(path))
    best = container.streams.best("video")
    return next((s for s in streams if best is not None and s.index == best.index), streams[0])


def _first_rotation(container: InputContainer, stream: VideoStream) -> int:
    try:
        frame = next(iter(container.decode(stream)), None)
    except (av.FFmpegError, ValueError):
        return 0
    return 90 * quarter_turns(frame) if frame is not None else 0


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration of the video stream, else of the file: only Matroska keeps the former in a tag."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        try:
            return 3600 * int(tag[0]) + 60 * int(tag[1]) + float(tag[2]) or None
        except ValueError:
            pass
    return container.duration / av.time_base if container.duration else None
