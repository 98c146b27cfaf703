"""Random changes of normalised keypoints that a reader of signs would not notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, standing

Range = tuple[float, float]


@dataclass(frozen=True)
class KeypointAugmentation:
    """Uniform ranges: scale factor, rotation in degrees, shift, speed factor; and what gets lost.

    Each point of each frame is lost with probability `lose_points`, and all points of one stretch
    of up to `lose_frames` frames.

    Shifts are in the unit of the keypoints: shoulder widths, or half pictures when `kind` is
    `published`. Positive angles turn clockwise as one sees the picture.
    """

    scale: Range
    rotate: Range
    translate: Range
    resample: Range
    lose_points: float = 0.0
    lose_frames: int = 0
    kind: str = SIGNER

    def frame_index(self, num_frames: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Frames to read so that the clip runs at a random speed; the first and last stay."""
        count = max(2, round(num_frames / rng.uniform(*self.resample))) if num_frames > 1 else 1
        return np.rint(np.linspace(0, num_frames - 1, count)).astype(np.int64)

    def points(
        self, streams: Mapping[str, npt.NDArray[np.float32]], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[np.float32]]:
        """One scale, rotation and shift for the whole clip, about the origin.

        Only points that stand in the signer's space or the picture are shifted: those relative to a
        wrist or the nose stay when the signer moves.

        Args:
            streams: part -> (T, V, C) with x, y first.
        """
        scale = rng.uniform(*self.scale)
        angle = np.deg2rad(rng.uniform(*self.rotate))
        shift = rng.uniform(*self.translate, size=2)
        sine = np.sin(angle) * (-1 if self.kind == PUBLISHED else 1)  # there y points up
        turn = scale * np.array([[np.cos(angle), -sine], [sine, np.cos(angle)]])
        out = {}
        for name, points in streams.items():
            moved = points.copy()
            moved[..., :2] = points[..., :2] @ turn.T
            moved[:, standing(name, self.kind), :2] += shift
            out[name] = moved.astype(np.float32)
        return out

    def keep(
        self, valid: Mapping[str, npt.NDArray[np.bool_]], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """The masks part -> (T, V) without the points that are lost."""
        kept = dict(valid)
        if self.lose_frames:
            length = int(rng.integers(0, self.lose_frames + 1))
            frames = len(next(iter(valid.values())))
            start = int(rng.integers(0, max(1, frames - length + 1)))
            gone = np.zeros((frames, 1), np.bool_)
            gone[start : start + length] = True
            kept = {part: seen & ~gone for part, seen in kept.items()}
        if self.lose_points:
            kept = {
                part: seen & (rng.random(seen.shape) >= self.lose_points)
                for part, seen in kept.items()
            }
        return kept
