"""Small videos of every kind, and ways to damage them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

FPS = 25


def picture(index: int, width: int, height: int) -> np.ndarray:
    """Dark, with a bright corner at the upper left and a blue that counts the frames."""
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[: height // 3, : width // 3, :2] = 230
    rgb[..., 2] = 2 * index % 255
    return rgb


def write_video(
    path: Path,
    *,
    frames: int = 100,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    encoder: dict[str, str] | None = None,
    prepare: Callable[[VideoStream], object] = lambda stream: None,
    **options: str,
) -> Path:
    """Write `frames` pictures at 25 per second, or at `times` in hundredths of a second.

    `encoder` are options of the codec, `options` those of the container, such as
    `movflags="faststart"`; `prepare` may set up the stream.
    """
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.options = {"g": "10", "preset": "ultrafast"}
        if encoder:
            stream.options = encoder
        prepare(stream)
        stream.codec_context.time_base = Fraction(1, 100 if times else FPS)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.pts = times[index] if times else index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path, *, cover: bool = False) -> Path:
    """A file with one second of silence, and a picture of its cover if wanted."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        if cover:
            picture_stream = container.add_stream("mjpeg", rate=1)
            picture_stream.width = picture_stream.height = 16
            picture_stream.pix_fmt = "yuvj420p"
            picture_stream.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts = 0
            container.mux([*picture_stream.encode(frame), *picture_stream.encode()])
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate, silence.pts = 8000, 0
        container.mux([*sound.encode(silence), *sound.encode()])
    return path


def write_with_sound(path: Path, *, frames: int, sound_s: float) -> Path:
    """A video of 25 frames per second with sound that lasts longer or shorter."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "10", "preset": "ultrafast"}
        sound = container.add_stream("aac", rate=8000)
        for tenth in range(round(10 * max(sound_s, frames / FPS))):
            for index in range(tenth * FPS // 10, min((tenth + 1) * FPS // 10, frames)):
                frame = av.VideoFrame.from_ndarray(picture(index, 64, 48), format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            if tenth < 10 * sound_s:
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 800), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate, silence.pts = 8000, 800 * tenth
                container.mux(sound.encode(silence))
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def zero_hole(path: Path, share: float = 0.1) -> Path:
    """Overwrite the middle of the payload (the `mdat` box) with zeros."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = start + int.from_bytes(data[start - 8 : start - 4], "big") - 8
    middle, half = (start + end) // 2, int((end - start) * share / 2)
    data[middle - half : middle + half] = bytes(2 * half)
    path.write_bytes(data)
    return path


def turn(path: Path) -> Path:
    """Ask players to show an MP4 a quarter turn counter-clockwise, as telephones do."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    assert int.from_bytes(data[matrix : matrix + 4], "big") == 1 << 16
    # x' = y, y' = -x: what is at the right goes to the top.
    for i, value in enumerate((0, -1 << 16, 0, 1 << 16, 0)):
        data[matrix + 4 * i : matrix + 4 * i + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path
