"""A video with its landmarks beside it, as the synthetic estimator reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slt_cli.landmarks.layouts import get_layout
from tests.video.media import write_video

LAYOUT = get_layout("mediapipe_holistic_543")


def write_signing(path: Path, frames: int = 10, **options: str) -> Path:
    """Face, body and both hands stand still in a video of 64 x 48 pixels."""
    path.parent.mkdir(exist_ok=True)
    write_video(path, frames=frames, **options)
    rng = np.random.default_rng(0)
    centre = {
        "POSE": (0.5, 0.6),
        "FACE": (0.5, 0.3),
        "LEFT_HAND": (0.7, 0.7),
        "RIGHT_HAND": (0.3, 0.7),
    }
    points = np.zeros((frames, len(LAYOUT), 3), np.float32)
    for name, place in centre.items():
        here = list(LAYOUT.component(name))
        points[:, here, :2] = place + rng.uniform(-0.08, 0.08, (len(here), 2))
    for name, place in {
        "POSE.NOSE": (0.5, 0.3),
        "POSE.LEFT_SHOULDER": (0.65, 0.5), "POSE.RIGHT_SHOULDER": (0.35, 0.5),
        "POSE.LEFT_WRIST": (0.7, 0.7), "POSE.RIGHT_WRIST": (0.3, 0.7),
        "LEFT_HAND.WRIST": (0.7, 0.7), "RIGHT_HAND.WRIST": (0.3, 0.7),
    }.items():  # fmt: skip
        points[:, LAYOUT.index(name), :2] = place
    np.savez(
        path.with_suffix(".landmarks.npz"), points=points,
        valid=np.ones(len(LAYOUT), bool), time_s=np.arange(frames) / 25,
    )  # fmt: skip
    return path
