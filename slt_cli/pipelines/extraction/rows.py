"""What was seen in each frame of a piece, in blocks of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.estimators.base import FrameLandmarks

_FRAMES = 128  # of a block
_FIELDS = {
    "points": ((-1, 3), np.float32), "confidence": ((-1,), np.float32), "valid": ((-1,), np.bool_),
    "time_s": ((), np.float64), "boxes": ((3, 4), np.int32), "sources": ((3,), np.uint8),
}  # fmt: skip


@dataclass
class SeenFrames:
    """Frames in order. Shapes as in `PieceResult`, with the depth as third value of `points`.

    Blocks and not an array for each frame: thousands of small arrays that live as long as a piece
    would scatter over a worker's heap, which then could not give back what lies between them.
    """

    num_points: int

    def __post_init__(self) -> None:
        self._blocks: list[dict[str, npt.NDArray[np.generic]]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        time_s: float,
        landmarks: FrameLandmarks,
        boxes: npt.NDArray[np.int32],
        sources: npt.NDArray[np.uint8],
    ) -> None:
        """Copy the next frame in."""
        row = self._count % _FRAMES
        if row == 0:
            self._blocks.append(
                {
                    name: np.empty(
                        (_FRAMES, *(self.num_points if n < 0 else n for n in shape)), kind
                    )
                    for name, (shape, kind) in _FIELDS.items()
                }
            )
        values = (
            landmarks.points, landmarks.confidence, landmarks.valid, time_s, boxes, sources
        )  # fmt: skip
        for name, value in zip(_FIELDS, values, strict=True):
            self._blocks[-1][name][row] = value
        self._count += 1

    def column(self, name: str) -> npt.NDArray[np.generic]:
        """One value of all frames, (T, ...)."""
        return np.concatenate([block[name] for block in self._blocks])[: self._count]
