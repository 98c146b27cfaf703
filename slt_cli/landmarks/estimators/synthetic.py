"""Landmarks of rendered videos: the truth beside the video, made as imperfect as a tracker's."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import get_layout
from slt_cli.storage.hashes import sha256_file
from slt_cli.video.probe import probe_video

SIDECAR = ".landmarks.npz"
"""What a rendered video's landmark file is called instead of `.mp4`."""

_SETTINGS: dict[str, Any] = {
    "noise": 0.004,  # standard deviation, as a fraction of the frame
    "face_noise": 0.002,  # trackers are steadier on the face
    "dropout": 0.05,  # share of frames in which a hand is lost
    "dropout_frames": 3,  # mean length of such a gap
}


class SyntheticEstimator:
    """Reads the file `<name>.landmarks.npz` that rendering leaves beside a video.

    Adds Gaussian noise to the true points and loses each hand for short runs of frames. All of it
    depends on the content of that file only: the same clip always gives the same landmarks. No
    pixel is looked at, so this tells nothing about how well real video would be tracked.

    Raises `InputError` when the file is missing, unusable, or of another length than the video.
    """

    name = "synthetic"
    version = "1"
    layout = "mediapipe_holistic_543"
    sees_pixels = False

    def __init__(self, video_path: Path) -> None:
        self.settings = dict(_SETTINGS)
        self._sidecar = video_path.with_suffix(SIDECAR)
        points, self._valid, self._time_s = _read(self._sidecar, video_path)
        rng = np.random.default_rng(int(sha256_file(self._sidecar)[:16], 16))
        self._points, self._confidence = self._imperfect(points, rng)

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the frame shown at `time_s`; raises `InputError` if none was drawn then."""
        index = int(np.argmin(np.abs(self._time_s - time_s)))
        if abs(self._time_s[index] - time_s) > 0.5 * _step(self._time_s):
            raise InputError(
                f"no landmarks at {time_s:.3f} s: they end at {self._time_s[-1]:.3f} s",
                where=str(self._sidecar),
                hint="render the video again, or use --estimator mediapipe",
            )
        confidence = self._confidence[index]
        valid = confidence > 0
        return FrameLandmarks(self._points[index] * valid[:, None], confidence, valid)

    def close(self) -> None:
        """Nothing is held."""

    def _imperfect(
        self, points: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Noisy points `(T, V, 3)` and confidence `(T, V)`, which is 0 where a point is missing."""
        layout = get_layout(self.layout)
        face = list(layout.component("FACE"))
        sigma = np.full((len(layout), 1), self.settings["noise"])
        sigma[face] = self.settings["face_noise"]
        noisy = points + sigma * rng.standard_normal(points.shape)
        confidence = rng.uniform(0.9, 1.0, points.shape[:2]) * self._valid
        confidence[:, face] = 1.0  # as MediaPipe, which has no confidence for face and hands
        for hand in ("LEFT_HAND", "RIGHT_HAND"):
            joints = list(layout.component(hand))
            noisy[:, joints, 2] -= noisy[:, joints[:1], 2]  # depth is told from the wrist
            confidence[:, joints] = ~self._lost(len(points), rng)[:, None]
        return noisy.astype(np.float32), confidence.astype(np.float32)

    def _lost(self, num_frames: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Frames `(T,)` in which a hand is lost: a two-state chain of that share and length."""
        ends = 1 / self.settings["dropout_frames"]
        begins = ends * self.settings["dropout"] / (1 - self.settings["dropout"])
        lost = np.zeros(num_frames, np.bool_)
        now = bool(rng.random() < self.settings["dropout"])
        for frame, draw in enumerate(rng.random(num_frames)):
            lost[frame] = now
            now = draw >= ends if now else draw < begins
        return lost


def _read(
    sidecar: Path, video_path: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """True points `(T, V, 3)`, which of them exist `(V,)`, and times `(T,)`, checked."""
    if not sidecar.is_file():
        raise InputError(
            f"{sidecar.name} is missing: the estimator 'synthetic' only works on rendered videos, "
            "whose landmarks lie beside them",
            where=str(video_path),
            hint="slt extract --estimator mediapipe",
        )
    try:
        with np.load(sidecar, allow_pickle=False) as archive:
            points, valid, time_s = (archive[name] for name in ("points", "valid", "time_s"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"not a landmark file of a rendered video ({error})",
            where=str(sidecar),
            hint="render the video again: slt demo --overwrite",
        ) from error
    frames = probe_video(video_path).num_frames
    if frames not in (0, len(points)):
        raise InputError(
            f"{len(points)} frames of landmarks for a video of {frames} frames",
            where=str(sidecar),
            hint="render the video again: slt demo --overwrite",
        )
    return points, valid, time_s


def _step(time_s: npt.NDArray[np.float64]) -> float:
    """Seconds between frames."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
