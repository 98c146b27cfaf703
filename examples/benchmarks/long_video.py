"""One long video looped from real clips, as the extraction benchmarks need it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from slt_cli.video.encode import VideoWriter
from slt_cli.video.source import open_source

SIZE = (640, 480)


def write_long_video(folder: Path, path: Path, frames: int, fps: int = 30) -> None:
    """Play the clips of `folder` one after the other until `frames` frames are written.

    Every clip is fitted into 640 x 480 at `fps` frames per second, black beside it.
    """
    clips = sorted(folder.glob("*.mp4"))
    written = 0
    with VideoWriter(path, *SIZE, Fraction(fps)) as writer:
        while written < frames:
            for clip in clips:
                with open_source(clip) as source:
                    for frame in source:
                        if written < frames:
                            writer.write(_fitted(frame.rgb))
                            written += 1


def _fitted(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height)
    inner = cv2.resize(rgb, (round(width * scale), round(height * scale)))
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    top, left = (SIZE[1] - inner.shape[0]) // 2, (SIZE[0] - inner.shape[1]) // 2
    picture[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return picture
