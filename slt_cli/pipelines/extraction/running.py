"""One piece while its frames come by: an estimator of its own, crop boxes, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import SltError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.hands import assign_hands
from slt_cli.landmarks.layouts import Layout, get_layout
from slt_cli.landmarks.people import PeopleCounter
from slt_cli.landmarks.privacy import hide_face
from slt_cli.landmarks.rois import CropTracker, cut_crop
from slt_cli.landmarks.signer import from_region
from slt_cli.pipelines.extraction.background import Background
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.passing import Pass, damage_of, fraction
from slt_cli.pipelines.extraction.pieces import Piece
from slt_cli.pipelines.extraction.rows import SeenFrames
from slt_cli.video.decode import Frame

Crops = list[npt.NDArray[np.uint8]]
KeepCrops = Callable[[Piece, int, Crops], None]
"""Takes the crops of a piece's frame, by its number in the piece; called from another thread."""

_COMPONENTS = ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND")


@dataclass(frozen=True)
class PieceResult:
    """What was seen in a piece of T frames.

    `keypoints` (T, V, 3) holds x, y and confidence; `z` and `valid` (T, V), `time_s` (T,), `boxes`
    (T, 3, 4), `sources` (T, 3). `facts` are plain values: counts, damage, what the source and
    estimator were.
    """

    keypoints: npt.NDArray[np.float32]
    z: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    time_s: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.int32]
    sources: npt.NDArray[np.uint8]
    facts: dict[str, Any]

    def __len__(self) -> int:
        return len(self.time_s)


class RunningPiece:
    """A piece while its frames come by, with an estimator of its own."""

    def __init__(
        self,
        piece: Piece,
        passing: Pass,
        options: ExtractOptions,
        crops: Background,
        keep_crops: KeepCrops,
    ) -> None:
        self.piece = piece
        self._passing = passing
        self._options = options
        self._crops = crops
        self._keep_crops = keep_crops
        self._counts: Counter[str] = Counter()
        self._tracker: CropTracker | None = None
        self._damage = passing.before
        with ExitStack() as stack:
            estimator = create_estimator(
                options.estimator, passing.source.path,
                model_sha256=options.model_sha256, landmarks_dir=options.landmarks_dir,
            )  # fmt: skip
            self._estimator = stack.enter_context(closing(estimator))
            self._layout = get_layout(estimator.layout)
            self._seen = SeenFrames(len(self._layout))
            # Landmarks that come from a file are those of the whole picture.
            self._region = passing.region(piece) if estimator.sees_pixels else None
            self._people = PeopleCounter() if estimator.sees_pixels else None
            if self._people is not None:
                stack.enter_context(closing(self._people))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Free the estimator."""
        self._stack.close()

    def add(self, frame: Frame) -> None:
        """Work on the next frame. Raises `SltError` when the estimator cannot work at all."""
        size = (frame.rgb.shape[1], frame.rgb.shape[0])
        tracker = self._tracker = self._tracker or CropTracker(
            self._layout, size, self._options.box_scale
        )
        landmarks, hands = assign_hands(self._landmarks(frame, size), self._layout, size)
        boxes, sources = tracker.next(landmarks, frame.time_s)
        if self.piece.start_s is not None and frame.time_s < self.piece.start_s:
            return  # only to bring the tracker into step
        if self._people is not None and not frame.is_corrupt:
            self._people.look(frame.rgb, frame.time_s)
        if not len(self._seen):
            self._damage = self._passing.before
        self._counts[f"hands_{hands}"] += 1
        self._counts["unusable_points"] += landmarks.unusable
        if self._options.crop_streams:
            self._crops.submit(self._cut, frame.rgb, landmarks, boxes, sources, len(self._seen))
        self._seen.add(frame.time_s, landmarks, boxes, sources)

    def result(self) -> PieceResult:
        """What was seen, once the last frame of the piece has passed."""
        self._crops.finish()
        seen, info = self._seen, self._passing.source.info
        if not len(seen):
            return no_result(self.piece, self._passing, self._layout)
        valid, time_s = seen.column("valid"), seen.column("time_s")
        facts = {
            "frames": len(seen),
            "layout": self._layout.name,
            "estimator": {
                "name": self._estimator.name,
                "version": self._estimator.version,
                "settings": self._estimator.settings,
            },
            "frame_size": [info.width, info.height],
            "fps": fraction(info.fps),
            "counts": dict(self._counts),
            "seen": {
                name.lower(): int(valid[:, list(self._layout.component(name))].any(axis=1).sum())
                for name in _COMPONENTS
            },
            "people": self._people and {"most": self._people.most, "usual": self._people.usual},
            "damage": damage_of(self._damage, self._passing, self.piece, time_s.tolist()),
        }
        points = seen.column("points")
        z = points[..., 2].copy()
        points[..., 2] = seen.column("confidence")
        return PieceResult(
            points, z, valid, time_s, seen.column("boxes"), seen.column("sources"), facts
        )

    def _landmarks(self, frame: Frame, size: tuple[int, int]) -> FrameLandmarks:
        if frame.is_corrupt:
            return _missing(self._layout)
        rgb, region = frame.rgb, self._region
        if region is not None:
            left, top, right, bottom = region
            rgb = np.ascontiguousarray(rgb[top:bottom, left:right])
        try:
            found = self._estimator.process(rgb, frame.time_s)
        except SltError:
            raise
        except (RuntimeError, ValueError):
            self._counts["failed_frames"] += 1
            return _missing(self._layout)
        return found if region is None else from_region(found, region, size)

    def _cut(
        self,
        rgb: npt.NDArray[np.uint8],
        landmarks: FrameLandmarks,
        boxes: npt.NDArray[np.int32],
        sources: npt.NDArray[np.uint8],
        index: int,
    ) -> None:
        size = self._options.crop_size
        crops: Crops = [cut_crop(rgb, box, size) for box in boxes]
        if self._options.face_privacy != "none":
            crops = hide_face(
                crops, boxes, sources, landmarks, self._layout,
                (rgb.shape[1], rgb.shape[0]), self._options.face_privacy,
            )  # fmt: skip
        self._keep_crops(self.piece, index, crops)


def no_result(piece: Piece, passing: Pass, layout: Layout | None = None) -> PieceResult:
    """A piece of which no frame could be read."""
    info, points = passing.source.info, len(layout) if layout else 0
    facts = {
        "frames": 0, "layout": layout.name if layout else None, "estimator": None,
        "frame_size": [info.width, info.height], "fps": fraction(info.fps), "counts": {},
        "seen": {}, "people": None, "damage": damage_of(passing.now, passing, piece, []),
    }  # fmt: skip
    return PieceResult(
        np.zeros((0, points, 3), np.float32), np.zeros((0, points), np.float32),
        np.zeros((0, points), np.bool_), np.zeros(0), np.zeros((0, 3, 4), np.int32),
        np.zeros((0, 3), np.uint8), facts,
    )  # fmt: skip


def _missing(layout: Layout) -> FrameLandmarks:
    count = len(layout)
    return FrameLandmarks(
        np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.bool_)
    )
