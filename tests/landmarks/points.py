"""Landmarks made by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import get_layout

LAYOUT = get_layout("mediapipe_holistic_543")
BODY = {
    "POSE.NOSE": (0.5, 0.2), "POSE.LEFT_SHOULDER": (0.6, 0.4), "POSE.RIGHT_SHOULDER": (0.4, 0.4),
    "POSE.LEFT_WRIST": (0.7, 0.7), "POSE.RIGHT_WRIST": (0.3, 0.7),
}  # fmt: skip


@dataclass
class Clip:
    """What `normalise_keypoints` reads."""

    keypoints: np.ndarray
    valid: np.ndarray
    frame_size: tuple[int, int]
    layout: str = LAYOUT.name


def frame(points: dict[str, tuple[float, float]]) -> FrameLandmarks:
    """Only these points, by name; everything else is missing."""
    xyz = np.zeros((len(LAYOUT), 3), np.float32)
    valid = np.zeros(len(LAYOUT), bool)
    for name, xy in points.items():
        xyz[LAYOUT.index(name), :2] = xy
        valid[LAYOUT.index(name)] = True
    return FrameLandmarks(xyz, valid.astype(np.float32), valid)


def hand(
    side: str, wrist: tuple[float, float], size: float = 0.05
) -> dict[str, tuple[float, float]]:
    """A hand of 21 points in a square of `size` whose upper left corner is the wrist."""
    names = [LAYOUT.points[i].split(".")[1] for i in LAYOUT.component(f"{side}_HAND")]
    places = [(wrist[0] + size * (i % 5) / 4, wrist[1] + size * (i // 5) / 4) for i in range(21)]
    return {f"{side}_HAND.{name}": place for name, place in zip(names, places, strict=True)}


def random_clip(rng: np.random.Generator, frames: int = 6) -> Clip:
    """A clip in which everything is somewhere and some of it is missing."""
    keypoints = rng.uniform(0.2, 0.8, (frames, len(LAYOUT), 3)).astype(np.float32)
    valid = rng.random((frames, len(LAYOUT))) > 0.2
    return Clip(keypoints * valid[..., None], valid, (640, 480))
