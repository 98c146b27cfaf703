"""Time the loading of packed crops against bare JPEG decoding of the same bytes in memory.

python examples/benchmarks/load_crops.py [CORPUS]

Without a corpus it makes 20,000 crops of its own. The ways of loading take turns clip by clip, so
that whatever else the machine does slows all of them alike; files are in the page cache.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image
from record import record

from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.crops import CROP_FOLDERS, read_crops

CROPS, FRAMES, SIDE = 20_000, 100, 224
ROUNDS = 5
PARTS = {folder: part for part, folder in CROP_FOLDERS.items()}
Clip = tuple[str, str, list[bytes]]
"""Stream, clip id, the JPEGs of its frames."""


def main(corpus: Path | None) -> None:
    clips = list(itertools.islice(_stored(corpus) if corpus else _made(), CROPS // FRAMES))
    count = sum(len(crops) for _, _, crops in clips)
    with tempfile.TemporaryDirectory() as folder:
        loose, packed = (CorpusPaths.from_root(Path(folder) / kind) for kind in ("loose", "packed"))
        for paths in (loose, packed):
            _write(paths, clips)
        started = time.perf_counter()
        summary = pack_corpus(packed)
        packing_s = time.perf_counter() - started
        seconds = _measure(clips, CropStore(loose), CropStore(packed))
    bare = seconds["bare decoding, bytes in memory"]
    rows = [
        [way, count / statistics.median(times), statistics.median(map(_ratio, bare, times))]
        for way, times in seconds.items()
    ]
    rows.append([f"packing, {summary.shards} shards", count / packing_s, "-"])
    crops = f"{count:,} JPEGs of {summary.bytes / count / 1024:.1f} KiB, one thread"
    columns = [crops, "crops/s, median", f"of bare decoding, median of {ROUNDS} rounds"]
    command = "python examples/benchmarks/load_crops.py"
    if corpus is None:
        print(record("Loading packed crops", command, columns, rows))
    else:
        print(record("Loading packed crops of a corpus", f"{command} CORPUS", columns, rows))


def _measure(clips: list[Clip], loose: CropStore, packed: CropStore) -> dict[str, list[float]]:
    """Way -> seconds of each round."""
    frames = np.arange(max(len(crops) for _, _, crops in clips))
    ways: dict[str, Callable[[str, str, list[bytes]], None]] = {
        "bare decoding, bytes in memory": lambda s, i, crops: _decode_all(crops),
        "packed": lambda s, i, crops: _decode_all(packed.read(s, i, f) for f in range(len(crops))),
        "loose files": lambda s, i, crops: _decode_all(
            loose.read(s, i, f) for f in range(len(crops))
        ),
        "packed, as normalised samples": lambda s, i, crops: _samples(
            packed, s, i, frames[: len(crops)]
        ),
    }
    seconds = {way: [0.0] * (ROUNDS + 1) for way in ways}
    for turn in range(ROUNDS + 1):  # the first one warms the caches up
        for clip in clips:
            for way, load in ways.items():
                started = time.perf_counter()
                load(*clip)
                seconds[way][turn] += time.perf_counter() - started
    return {way: times[1:] for way, times in seconds.items()}


def _decode_all(crops: Iterator[bytes] | list[bytes]) -> None:
    for data in crops:
        simplejpeg.decode_jpeg(data, "RGB")


def _samples(store: CropStore, stream: str, video_id: str, frames: np.ndarray) -> None:
    read_crops(store, video_id, PARTS[stream], frames, SIDE)


def _ratio(bare: float, other: float) -> float:
    return bare / other


def _stored(root: Path) -> Iterator[Clip]:
    """The clips of a corpus, at most FRAMES frames of each."""
    store = CropStore(CorpusPaths.from_root(root))
    for stream in CROP_STREAMS:
        for video_id in store.clips(stream):
            frames = store.frames(stream, video_id)[:FRAMES]
            yield stream, video_id, [store.read(stream, video_id, frame) for frame in frames]


def _made() -> Iterator[Clip]:
    """Coloured shapes under a little noise: JPEGs about as large as those of real crops."""
    rng = np.random.default_rng(0)
    for number in itertools.count():
        for stream in CROP_STREAMS:
            shapes = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            plain = np.asarray(shapes.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
            crops = []
            for _ in range(FRAMES):
                noise = rng.integers(-7, 8, plain.shape, dtype=np.int16)
                pixels = np.clip(plain + noise, 0, 255).astype(np.uint8)
                crops.append(simplejpeg.encode_jpeg(pixels, 90, "RGB", "420"))
            yield stream, f"clip_{number:05d}", crops


def _write(corpus: CorpusPaths, clips: list[Clip]) -> None:
    corpus.keypoints_dir.mkdir(parents=True)
    for stream in CROP_STREAMS:
        corpus.crop_dir(stream).mkdir()
    for stream, video_id, crops in clips:
        for frame, data in enumerate(crops):
            corpus.crop_path(stream, video_id, frame).write_bytes(data)
        corpus.keypoints(video_id).touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
