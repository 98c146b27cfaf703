"""MediaPipe Holistic through the classic solutions interface, whose models come in the wheel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.estimators.base import FrameLandmarks

_PARTS = (("pose", 33), ("face", 468), ("left_hand", 21), ("right_hand", 21))
_TOTAL = sum(count for _, count in _PARTS)


class MediaPipeHolistic:
    """Pose, face mesh and hands of one signer.

    The confidence of a pose point is its visibility; face and hands have none of their own and get
    1 where they were found. Hands keep the label that MediaPipe gave them. Raises `MissingAsset`
    when mediapipe is not installed or no longer carries Holistic.
    """

    name = "mediapipe"
    layout = "mediapipe_holistic_543"

    def __init__(self) -> None:
        holistic, self.version = _load()
        self.settings: dict[str, Any] = {
            "model_complexity": 1,
            "static_image_mode": False,
            "smooth_landmarks": True,
            "refine_face_landmarks": False,
            "min_detection_confidence": 0.5,
            "min_tracking_confidence": 0.5,
        }
        self._graph = holistic.Holistic(**self.settings)

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the next frame. Tracking carries over from the frame before."""
        found = self._graph.process(rgb)
        points = np.zeros((_TOTAL, 3), np.float32)
        confidence = np.zeros(_TOTAL, np.float32)
        valid = np.zeros(_TOTAL, np.bool_)
        start = 0
        for part, count in _PARTS:
            landmarks = getattr(found, f"{part}_landmarks")
            if landmarks is not None:
                here = slice(start, start + count)
                points[here] = [(p.x, p.y, p.z) for p in landmarks.landmark]
                confidence[here] = (
                    [p.visibility for p in landmarks.landmark] if part == "pose" else 1.0
                )
                valid[here] = True
            start += count
        return _finite(points, confidence, valid)

    def close(self) -> None:
        """Stop the graph and free its models."""
        self._graph.close()


def _finite(
    points: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
) -> FrameLandmarks:
    """Make what is not a number missing. Points outside the frame are true and stay."""
    valid &= np.isfinite(points).all(axis=1) & np.isfinite(confidence)
    points[~valid] = 0
    confidence[~valid] = 0
    return FrameLandmarks(points, confidence, valid)


def _load() -> tuple[Any, str]:
    try:
        import mediapipe
    except ImportError as error:
        raise MissingAsset(
            f"mediapipe cannot be imported ({error})",
            hint="pip install 'mediapipe>=0.10.14,<0.10.30' (and apt-get install libgl1 "
            "libglib2.0-0); slt doctor shows what works",
        ) from error
    if not hasattr(mediapipe, "solutions"):
        raise MissingAsset(
            f"mediapipe {mediapipe.__version__} no longer carries Holistic and its models",
            hint="pip install 'mediapipe>=0.10.14,<0.10.30'",
        )
    return mediapipe.solutions.holistic, mediapipe.__version__
