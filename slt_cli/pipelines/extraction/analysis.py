"""One pass over a video: landmarks, hands, crop boxes and crops of every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import simplejpeg

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.errors import InputError, SltError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.hands import HandAction, assign_hands
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.rois import CropSource, CropTracker, cut_crop
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.storage.hashes import sha256_file
from slt_cli.video.decode import DamageReport, Frame, VideoReader

_MOST_FAILED = 0.2
"""Share of frames on which an estimator may fail before the clip counts as failed."""


@dataclass(frozen=True)
class FrameResult:
    """One frame: its landmarks with hands assigned, crop boxes (3, 4) and their sources (3,)."""

    time_s: float
    landmarks: FrameLandmarks
    boxes: npt.NDArray[np.int32]
    sources: npt.NDArray[np.uint8]
    crops: list[npt.NDArray[np.uint8]]
    hands: HandAction


class ClipAnalysis:
    """Iterate over the `FrameResult`s of a video once; then ask for `clip()` and `facts()`.

    A context manager; it keeps landmarks, never pictures. Frames that the decoder marks as corrupt
    are not shown to the estimator, and their landmarks are missing. Raises `InputError` for what
    is not a video, for one without frames, and when the estimator fails too often.
    """

    def __init__(self, video: Path, options: ExtractOptions) -> None:
        self._video = video
        self._options = options
        self._stack = ExitStack()
        self._results: list[FrameResult] = []
        self._failed_frames = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._reader = stack.enter_context(VideoReader(self._video))
            self._stat = self._video.stat()
            self._sha256 = sha256_file(self._video)
            estimator = create_estimator(self._options.estimator, self._video)
            self._estimator = stack.enter_context(closing(estimator))
            self._layout = get_layout(estimator.layout)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def damage(self) -> DamageReport:
        """What was wrong with the video; complete after the last frame."""
        return self._reader.damage

    @property
    def duration_s(self) -> float | None:
        """Duration according to the header."""
        return self._reader.info.duration_s

    def __iter__(self) -> Iterator[FrameResult]:
        tracker: CropTracker | None = None
        for frame in self._reader:
            size = (frame.rgb.shape[1], frame.rgb.shape[0])
            tracker = tracker or CropTracker(self._layout, size, self._options.box_scale)
            landmarks, hands = assign_hands(self._landmarks(frame), self._layout, size)
            boxes, sources = tracker.next(landmarks)
            crops = [cut_crop(frame.rgb, box, self._options.crop_size) for box in boxes]
            result = FrameResult(frame.time_s, landmarks, boxes, sources, crops, hands)
            yield result
            self._results.append(replace(result, crops=[]))
        if self._failed_frames > _MOST_FAILED * len(self._results):
            raise InputError(
                f"the estimator failed on {self._failed_frames} of {len(self._results)} frames",
                where=str(self._video), hint="slt doctor",
            )  # fmt: skip
        now = self._video.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise InputError("the file changed while it was read", where=str(self._video))

    def clip(self) -> ClipKeypoints:
        """The landmarks of all frames."""
        results, info = self._results, self._reader.info
        points = np.stack([r.landmarks.points for r in results])
        confidence = np.stack([r.landmarks.confidence for r in results])
        return ClipKeypoints(
            keypoints=np.dstack([points[..., :2], confidence]),
            z=points[..., 2],
            valid=np.stack([r.landmarks.valid for r in results]),
            time_s=np.array([r.time_s for r in results]),
            crop_box=np.stack([r.boxes for r in results], axis=1),
            crop_source=np.stack([r.sources for r in results], axis=1),
            layout=self._layout.name,
            frame_size=(info.width, info.height),
            fps=info.fps,
            source={
                "name": _printable(self._video.name),
                "sha256": self._sha256,
                "settings": self._options.fingerprint(),
            },
            estimator={
                "name": self._estimator.name,
                "version": self._estimator.version,
                "settings": self._estimator.settings,
            },
        )

    def facts(self) -> dict[str, Any]:
        """What the manifest says about the clip, as plain values."""
        info, frames = self._reader.info, len(self._results)
        hands = Counter(r.hands for r in self._results)
        return {
            "fps": f"{info.fps.numerator}/{info.fps.denominator}" if info.fps else None,
            "frame_size": [info.width, info.height],
            "frames": dict.fromkeys((*CROP_STREAMS, "pose", "keypoints"), frames),
            "fallbacks": self._fallbacks(),
            "coverage": self._coverage(),
            "hands": {action: hands[action] for action in ("swapped", "moved", "dropped")},
            "failed_frames": self._failed_frames,
            "damage": self.damage.as_dict(),
        }

    def _landmarks(self, frame: Frame) -> FrameLandmarks:
        count = len(self._layout)
        nothing = FrameLandmarks(
            np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.bool_)
        )
        if frame.is_corrupt:
            return nothing
        try:
            return self._estimator.process(frame.rgb, frame.time_s)
        except SltError:
            raise
        except (RuntimeError, ValueError):
            self._failed_frames += 1
            return nothing

    def _fallbacks(self) -> dict[str, dict[str, int]]:
        kinds = (CropSource.POSE, CropSource.PREVIOUS, CropSource.MISSING)
        sources = np.stack([r.sources for r in self._results], axis=1)
        return {
            stream: {kind.name.lower(): int((row == kind).sum()) for kind in kinds}
            for stream, row in zip(CROP_STREAMS, sources, strict=True)
        }

    def _coverage(self) -> dict[str, float]:
        """Share of frames in which pose, face and each hand were found."""
        valid = np.stack([r.landmarks.valid for r in self._results])
        return {
            name.lower(): round(
                float(valid[:, list(self._layout.component(name))].any(axis=1).mean()), 4
            )
            for name in ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND")
        }


def encode_crop(rgb: npt.NDArray[np.uint8], quality: int) -> bytes:
    """A crop (S, S, 3) as JPEG."""
    data: bytes = simplejpeg.encode_jpeg(
        rgb, quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return data


def _printable(name: str) -> str:
    """A file name that JSON can hold, whatever bytes it has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
