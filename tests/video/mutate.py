"""A video in several containers, and damaged copies of it: the same seed, the same copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

KINDS = ("cut", "flip", "zero")
_CLUSTER = b"\x1f\x43\xb6\x75"
_WEBM_FRAMES, _WEBM_SIDE = 60, 160


def remux(path: Path, target: Path, **options: str) -> Path:
    """Copy the video packets of `path` into the container that the name `target` asks for."""
    exact = {"fflags": "+bitexact", **options}  # Matroska draws random numbers otherwise
    with av.open(str(path)) as source, av.open(str(target), "w", options=exact) as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    return target


def to_webm(path: Path, target: Path, codec: str = "libvpx") -> Path:
    """Encode the first frames of `path` again, small, as WebM takes only VP8, VP9 and AV1."""
    exact = {"fflags": "+bitexact"}
    with av.open(str(path)) as source, av.open(str(target), "w", options=exact) as container:
        stream = source.streams.video[0]
        scale = min(1.0, _WEBM_SIDE / max(stream.width, stream.height))
        copy = container.add_stream(codec, rate=stream.average_rate or 25)
        copy.width, copy.height = (2 * max(1, round(n * scale / 2)) for n in
                                   (stream.width, stream.height))  # fmt: skip
        copy.pix_fmt = "yuv420p"
        copy.options = {"deadline": "realtime", "cpu-used": "8", "g": "15"}
        for index, frame in zip(range(_WEBM_FRAMES), source.decode(stream), strict=False):
            small = frame.reformat(copy.width, copy.height, "yuv420p")
            small.pts, small.time_base = index, 1 / (stream.average_rate or 25)
            container.mux(copy.encode(small))
        container.mux(copy.encode())
    return target


def in_container(path: Path, folder: Path, name: str) -> list[Path]:
    """`path` as mp4 (index at the end, and at the start), mkv or webm in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "mp4":
        late, early = folder / f"{path.stem}-late.mp4", folder / f"{path.stem}-early.mp4"
        return [remux(path, early, movflags="faststart"), remux(path, late)]
    if name == "mkv":
        return [remux(path, folder / f"{path.stem}.mkv")]
    return [to_webm(path, folder / f"{path.stem}.webm")]


def cut(data: bytes, share: float) -> bytes:
    """The first `share` of the bytes."""
    return data[: int(len(data) * share)]


def flip(data: bytes, rng: np.random.Generator, count: int) -> bytes:
    """`count` bytes of the payload changed."""
    start, end = payload(data)
    broken = np.frombuffer(data, np.uint8).copy()
    places = rng.choice(np.arange(start, end), min(count, end - start), replace=False)
    broken[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
    return broken.tobytes()


def zero(data: bytes, at: float, share: float) -> bytes:
    """A hole of zeros: `share` of the payload, its middle at the part `at` of it."""
    start, end = payload(data)
    length = int((end - start) * share)
    first = max(start, min(end - length, start + int((end - start) * at) - length // 2))
    return data[:first] + bytes(length) + data[first + length :]


def payload(data: bytes) -> tuple[int, int]:
    """Where the pictures lie: the `mdat` box of an MP4, everything from the first cluster on."""
    if data[4:8] == b"ftyp":
        start = data.index(b"mdat") + 4
        return start, start - 8 + int.from_bytes(data[start - 8 : start - 4], "big")
    return data.index(_CLUSTER) + 12, len(data)


def copies(
    path: Path,
    folder: Path,
    containers: Sequence[str] = ("mp4", "mkv", "webm"),
    count: int = 20,
    seed: int = 0,
) -> list[Path]:
    """`count` damaged copies of a video per container, in turn cut, flipped and zeroed.

    Named `<stem>-<container>-<number>-<kind>.<container>`. An MP4 has its index at the start in
    two of three copies: cut before an index at the end, it cannot be opened at all.
    """
    made = []
    for name in containers:
        whole = [file.read_bytes() for file in in_container(path, folder / "whole", name)]
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            data = whole[(number // 3 + number) % 3 // 2 if len(whole) > 1 else 0]
            kind = KINDS[number % 3]
            if kind == "cut":
                data = cut(data, rng.uniform(0.02, 0.98))
            elif kind == "flip":
                data = flip(data, rng, int(10 ** rng.uniform(0, 3)))
            else:
                data = zero(data, rng.uniform(), rng.uniform(0.02, 0.3))
            target = folder / f"{path.stem}-{name}-{number:02d}-{kind}.{name}"
            target.write_bytes(data)
            made.append(target)
    return made
