"""Random changes of a clip that a reader of signs would not notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, standing

Range = tuple[float, float]


@dataclass(frozen=True)
class KeypointAugmentation:
    """Uniform ranges: scale factor, rotation in degrees, shift, speed factor; and what gets lost.

    Each point of each frame is lost with probability `lose_points`, and all points of one stretch
    of up to `lose_frames` frames. `jitter` is the largest share of a clip's time that is cut off at
    either end, `mirror` the share of clips that are mirrored.

    Shifts are in the unit of the keypoints: shoulder widths, or half pictures when `kind` is
    `published`. `translate` is the largest shift to any side, or the least and the largest, or
    these two of x and then of y. Positive angles turn clockwise as one sees the picture.
    """

    scale: Range
    rotate: Range
    translate: Sequence[float]
    resample: Range
    lose_points: float = 0.0
    lose_frames: int = 0
    jitter: float = 0.0
    mirror: float = 0.0
    kind: str = SIGNER

    def span(
        self, time_s: npt.NDArray[np.floating], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """Frames between a random begin and end; of a clip at `time_s` (T,), at least one."""
        if not self.jitter or len(time_s) < 2:
            return np.arange(len(time_s))
        cut = rng.uniform(0, self.jitter, size=2) * (time_s[-1] - time_s[0])
        begin, end = time_s[0] + cut[0], time_s[-1] - cut[1]
        kept = np.flatnonzero((time_s >= begin) & (time_s <= end))
        return kept if len(kept) else np.abs(time_s - (begin + end) / 2).argmin(keepdims=True)

    def is_mirrored(self, rng: np.random.Generator) -> bool:
        """Whether this clip is; no number is drawn when none ever is."""
        return bool(self.mirror) and rng.random() < self.mirror

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
        shift = rng.uniform(*shift_bounds(self.translate))
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


def shift_bounds(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Least and largest shift in x and y, (2, 2), as 1, 2 or 4 numbers say it."""
    if len(values) == 1:
        values = (-abs(values[0]), abs(values[0]))
    if len(values) == 2:
        values = (*values, *values)
    return np.array(values, np.float64).reshape(2, 2).T
