"""A tiny corpus on disk whose clips can be told apart: made in milliseconds, without video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints
from slt_cli.landmarks.layouts import get_layout

WORDS = ("casa", "libro", "mamá", "escuela", "perro", "agua")


def write_corpus(
    root: Path, *, train: int = 8, val: int = 3, test: int = 3, frames: int = 12, seed: int = 0
) -> Path:
    """Each clip shows one to three words; a word is a constant shift of the right hand."""
    rng = np.random.default_rng(seed)
    layout = get_layout("mediapipe_holistic_543")
    rows, glosses = [], []
    for split, count in (("train", train), ("val", val), ("test", test)):
        ids = []
        for index in range(count):
            video_id = f"{split}_{index:03d}"
            words = rng.choice(len(WORDS), size=int(rng.integers(1, 4)), replace=False)
            save_clip_keypoints(
                root / "keypoints" / f"{video_id}.npz", _clip(words, frames, layout, rng, video_id)
            )
            ids.append(video_id)
            rows.append(f"{video_id};veo {' y '.join(WORDS[w] for w in words)}")
            glosses.append(f"{video_id};{' '.join(WORDS[w].upper() for w in words)};")
        _write(root / "index" / f"{split}.csv", ["video_id", *ids])
    _write(root / "meta.csv", ["video_id;texto", *rows])
    _write(root / "annotations" / "gloss.csv", ["video_id;gloss;ctc_labels", *glosses])
    return root


def _clip(
    words: np.ndarray, frames: int, layout: object, rng: np.random.Generator, video_id: str
) -> ClipKeypoints:
    count = len(layout)  # type: ignore[arg-type]
    resting = np.random.default_rng(7).uniform(0.3, 0.7, (count, 2))
    xy = resting + rng.normal(0, 0.003, (frames, count, 2))
    hand = list(layout.component("RIGHT_HAND"))  # type: ignore[attr-defined]
    for part, word in zip(np.array_split(np.arange(frames), len(words)), words, strict=True):
        xy[np.ix_(part, hand[: 3 + 3 * int(word)])] += 0.15
    keypoints = np.concatenate([xy, np.ones((frames, count, 1))], axis=2).astype(np.float32)
    return ClipKeypoints(
        keypoints=keypoints,
        z=np.zeros((frames, count), np.float32),
        valid=np.ones((frames, count), bool),
        time_s=np.arange(frames) / 25,
        crop_box=np.zeros((3, frames, 4), np.int32),
        crop_source=np.zeros((3, frames), np.uint8),
        layout="mediapipe_holistic_543",
        frame_size=(320, 240),
        fps=Fraction(25),
        source={"name": f"{video_id}.mp4", "sha256": video_id.encode().hex()},
        estimator={"name": "made", "version": "1", "settings": {}},
    )


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
