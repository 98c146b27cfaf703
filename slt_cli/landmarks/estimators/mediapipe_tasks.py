"""MediaPipe Holistic through the newer Tasks interface, with a model file that the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.estimators.mediapipe import INSTALL, gather_parts, load_mediapipe
from slt_cli.storage.assets import Asset, find_asset

MODEL = "holistic_landmarker.task"
SOURCE = (
    "https://storage.googleapis.com/mediapipe-models/holistic_landmarker/holistic_landmarker/"
    "float16/1/holistic_landmarker.task"
)
KNOWN_SHA256 = (
    # Google's file, version 1 (13,683,609 bytes); MediaPipe's own build names the same hash.
    "e2dab61191e2dcd0a15f943d8e3ed1dce13c82dfa597b9dd39f562975a50c3f8",
    # Composed of the models in MediaPipe's published hand, face and pose bundles and of the hand
    # re-crop model in its wheel (18,740,635 bytes).
    "2e9f8e15fabbde4736d10740b058eb13519c8c545bc7750b6f4721568c94b8c0",
)
_PARTS = {"pose": 33, "face": 478, "left_hand": 21, "right_hand": 21}


def find_model(model_sha256: str | None = None) -> Asset:
    """The model file in the asset folders. Raises `MissingAsset` when none has a good hash."""
    return find_asset(MODEL, (model_sha256,) if model_sha256 else KNOWN_SHA256, source=SOURCE)


class MediaPipeTasksHolistic:
    """Pose, face mesh with irises and hands of one signer.

    Confidence as in `MediaPipeHolistic`. Hands keep the label that MediaPipe gave them, which is
    the signer's own side. `model_sha256` is the hash to accept instead of the known ones. Raises
    `MissingAsset` without the model file or a mediapipe that can run it.
    """

    name = "mediapipe-tasks"
    layout = "mediapipe_holistic_553"
    sees_pixels = True

    def __init__(self, model_sha256: str | None = None) -> None:
        self._mediapipe = load_mediapipe()
        self.version: str = self._mediapipe.__version__
        model = find_model(model_sha256)
        self.settings: dict[str, Any] = {
            "model_sha256": model.sha256,
            "running_mode": "VIDEO",
            "min_face_detection_confidence": 0.5,
            "min_face_landmarks_confidence": 0.5,
            "min_pose_detection_confidence": 0.5,
            "min_pose_landmarks_confidence": 0.5,
            "min_hand_landmarks_confidence": 0.5,
        }
        self._last_ms = -1
        self._landmarker: Any = self._create(model.path)

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the next frame. Tracking and smoothing carry over from the frames before."""
        from mediapipe.python import packet_creator, packet_getter

        # Time must advance by a whole millisecond at least, or the graph fails for good.
        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb)
        )
        packet = packet_creator.create_image(image).at(self._last_ms * 1000)
        # Not detect_for_video: that reads the packets of parts that were not found, too, which
        # aborts the process (mediapipe 0.10.21).
        found = self._landmarker._process_video_data({"image_in": packet})
        parts = {}
        for part in _PARTS:
            packet = found[f"{part}_landmarks"]
            landmarks = None if packet.is_empty() else packet_getter.get_proto(packet)
            parts[part] = landmarks if landmarks and landmarks.landmark else None
        return gather_parts(parts, _PARTS)

    def close(self) -> None:
        """Stop the graph and free its models."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def _create(self, model: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        kind: Any = getattr(vision, "HolisticLandmarker", None)
        if not hasattr(kind, "_process_video_data"):
            raise MissingAsset(
                f"mediapipe {self.version} offers no Tasks Holistic that can be used here",
                hint=f"{INSTALL}; or --estimator precomputed",
            )
        options = {k: v for k, v in self.settings.items() if k.startswith("min_")}
        try:
            return kind.create_from_options(
                vision.HolisticLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(model)),
                    running_mode=vision.RunningMode.VIDEO,
                    **options,
                )
            )
        except (RuntimeError, ValueError) as error:
            raise MissingAsset(
                f"MediaPipe cannot use this model ({error})", where=str(model),
                hint=f"get the file from {SOURCE}",
            ) from error  # fmt: skip
