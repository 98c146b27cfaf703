"""A small corpus with crops of noise, some of them missing, and a stored pose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import simplejpeg

from slt_cli.corpus.clip_files import load_clip_keypoints, save_clip_keypoints, save_pose
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.signing_space import signing_space_v1
from tests.corpora import write_corpus


def write_crop_corpus(root: Path, *, clips: int, frames: int, side: int = 32) -> CorpusPaths:
    """Training clips `train_000`, ... and one clip each to validate and to test without crops."""
    corpus = CorpusPaths.from_root(write_corpus(root, train=clips, val=1, test=1, frames=frames))
    rng = np.random.default_rng(0)
    for record in read_split(corpus, "train"):
        path = corpus.keypoints(record.video_id)
        clip = load_clip_keypoints(path)
        valid = clip.valid & (rng.random(clip.valid.shape) > 0.2)
        keypoints = clip.keypoints * valid[..., None]
        sources = rng.integers(0, 4, (3, frames)).astype(np.uint8)
        save_clip_keypoints(
            path, replace(clip, keypoints=keypoints, valid=valid, crop_source=sources)
        )
        pose = signing_space_v1(keypoints, valid, get_layout(clip.layout), 17)
        save_pose(corpus.pose(record.video_id), pose)
        for stream in CROP_STREAMS:
            corpus.crop_dir(stream).mkdir(exist_ok=True)
            for frame in range(frames):
                pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
                data = simplejpeg.encode_jpeg(pixels, 90, "RGB", "444")
                corpus.crop_path(stream, record.video_id, frame).write_bytes(data)
    return corpus
