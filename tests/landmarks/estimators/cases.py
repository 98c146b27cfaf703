"""One case for every estimator: two clips, and how to get a fresh instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import Estimator, FrameLandmarks
from slt_cli.storage.assets import ENVIRONMENT
from slt_cli.synthetic.dataset import render_clip

FRAMES = 15
FIRST = 20  # both hands are up
Clip = list[tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Case:
    """`fresh(i)` is a new instance for clip i of `clips`."""

    fresh: Callable[[int], Estimator]
    clips: tuple[Clip, Clip]
    layout: str

    def run(self, clip: int = 0, change: Callable[[np.ndarray], np.ndarray] | None = None) -> Found:
        """Everything that a fresh instance finds in a clip, each picture changed first."""
        estimator = self.fresh(clip)
        try:
            return Found.of(
                estimator.process(change(rgb) if change else rgb, time_s)
                for rgb, time_s in self.clips[clip]
            )
        finally:
            estimator.close()


@dataclass(frozen=True)
class Found:
    """All frames of a clip: points (T, V, 3), confidence (T, V), valid (T, V)."""

    points: np.ndarray
    confidence: np.ndarray
    valid: np.ndarray

    @classmethod
    def of(cls, frames: Any) -> Found:
        """Stack the frames."""
        frames: list[FrameLandmarks] = list(frames)
        return cls(*(np.stack([getattr(f, n) for f in frames]) for n in cls.__annotations__))


def read_clip(path: Path, first: int = 0, count: int = FRAMES) -> Clip:
    """Some frames of a video with their times."""
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), first, first + count)
        return [(frame.to_ndarray(format="rgb24"), float(frame.time)) for frame in frames]


def _pixels(name: str, layout: str) -> Callable[[pytest.FixtureRequest], Case]:
    def case(request: pytest.FixtureRequest) -> Case:
        data: Path = request.getfixturevalue("real_data")
        patch = pytest.MonkeyPatch()
        request.addfinalizer(patch.undo)
        patch.setenv(ENVIRONMENT, str(data / "models"))
        videos = [data / "clips" / f for f in ("asl_different.mp4", "signing_test_video.mp4")]
        clips = (read_clip(videos[0], FIRST), read_clip(videos[1], FIRST))
        return Case(lambda i: create_estimator(name, videos[i]), clips, layout)

    return case


def _synthetic(request: pytest.FixtureRequest) -> Case:
    folder = request.getfixturevalue("tmp_path_factory").mktemp("synthetic")
    for i in range(2):
        render_clip(folder / f"{i}.mp4", ["CASA", "ROJO"], "ana", seed=i)
    clips = (read_clip(folder / "0.mp4"), read_clip(folder / "1.mp4"))
    return Case(
        lambda i: create_estimator("synthetic", folder / f"{i}.mp4"),
        clips,
        "mediapipe_holistic_543",
    )


def _precomputed(request: pytest.FixtureRequest) -> Case:
    folder = request.getfixturevalue("tmp_path_factory").mktemp("precomputed")
    landmarks = folder / "landmarks"
    landmarks.mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        render_clip(folder / f"{i}.mp4", ["CASA", "ROJO"], "ana", seed=i)
        frames = len(read_clip(folder / f"{i}.mp4", count=1000))
        keypoints = rng.uniform(0.1, 0.9, (frames, 133, 3)).astype(np.float32)
        keypoints[3, 10] = np.nan
        np.save(landmarks / f"{i}.npy", keypoints)
    clips = (read_clip(folder / "0.mp4"), read_clip(folder / "1.mp4"))
    return Case(
        lambda i: create_estimator("precomputed", folder / f"{i}.mp4", landmarks_dir=landmarks),
        clips,
        "coco_wholebody_133",
    )


CASES: dict[str, Callable[[pytest.FixtureRequest], Case]] = {
    "mediapipe": _pixels("mediapipe", "mediapipe_holistic_543"),
    "mediapipe-tasks": _pixels("mediapipe-tasks", "mediapipe_holistic_553"),
    "precomputed": _precomputed,
    "synthetic": _synthetic,
}
