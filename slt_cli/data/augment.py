"""Random changes of normalised keypoints that a reader of signs would not notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Range = tuple[float, float]


@dataclass(frozen=True)
class KeypointAugmentation:
    """Uniform ranges: scale factor, rotation in degrees, shift in shoulder widths, speed factor."""

    scale: Range
    rotate: Range
    translate: Range
    resample: Range

    def frame_index(self, num_frames: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Frames to read so that the clip runs at a random speed; the first and last stay."""
        count = max(2, round(num_frames / rng.uniform(*self.resample))) if num_frames > 1 else 1
        return np.rint(np.linspace(0, num_frames - 1, count)).astype(np.int64)

    def points(
        self, streams: Mapping[str, npt.NDArray[np.float32]], rng: np.random.Generator
    ) -> dict[str, npt.NDArray[np.float32]]:
        """One scale, rotation and shift for the whole clip; only the body is shifted.

        Args:
            streams: part -> (T, V, C) with x, y first; hands and face are relative to the wrist
                and nose, so a shift of the signer does not move them.
        """
        scale = rng.uniform(*self.scale)
        angle = np.deg2rad(rng.uniform(*self.rotate))
        shift = rng.uniform(*self.translate, size=2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        out = {}
        for name, points in streams.items():
            moved = points.copy()
            moved[..., :2] = points[..., :2] @ turn.T + (shift if name == "body" else 0.0)
            out[name] = moved.astype(np.float32)
        return out
