"""A corpus of crops whose bytes are noise: packing does not look into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths

Crops = dict[tuple[str, str, int], bytes]
"""(stream, clip, frame) -> bytes."""


def write_clip(
    corpus: CorpusPaths,
    video_id: str,
    *,
    frames: int = 3,
    streams: tuple[str, ...] = CROP_STREAMS,
    seed: int = 0,
    largest: int = 2000,
) -> Crops:
    """What extracting a clip leaves, as far as packing is concerned; an older clip is replaced."""
    rng = np.random.default_rng([seed, *video_id.encode()])
    crops: Crops = {}
    corpus.keypoints(video_id).unlink(missing_ok=True)
    for stream in CROP_STREAMS:
        corpus.crop_dir(stream).mkdir(parents=True, exist_ok=True)
        for frame in range(frames if stream in streams else 0):
            data = rng.bytes(int(rng.integers(1, largest)))
            corpus.crop_path(stream, video_id, frame).write_bytes(data)
            crops[stream, video_id, frame] = data
        beyond = frames if stream in streams else 0
        while (path := corpus.crop_path(stream, video_id, beyond)).exists():
            path.unlink()
            beyond += 1
    corpus.keypoints_dir.mkdir(exist_ok=True)
    corpus.keypoints(video_id).write_bytes(b"stands for landmarks")
    return crops


def write_clips(root: Path, *video_ids: str, **options: int) -> tuple[CorpusPaths, Crops]:
    corpus = CorpusPaths.from_root(root)
    crops: Crops = {}
    for video_id in video_ids:
        crops |= write_clip(corpus, video_id, **options)  # type: ignore[arg-type]
    return corpus, crops


def everything_in(corpus: CorpusPaths) -> Crops:
    """All that a store finds, clip by clip."""
    store = CropStore(corpus)
    return {
        (stream, video_id, frame): store.read(stream, video_id, frame)
        for stream in CROP_STREAMS
        for video_id in store.clips(stream)
        for frame in store.frames(stream, video_id)
    }


def loose_files(corpus: CorpusPaths) -> list[Path]:
    return sorted(p for stream in CROP_STREAMS for p in corpus.crop_dir(stream).glob("*"))


def shard_names(corpus: CorpusPaths) -> list[str]:
    return sorted(path.name for path in corpus.shard_dir.glob("*"))
