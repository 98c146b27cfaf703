"""The estimators by name. Each one is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from slt_cli.errors import MissingAsset, UsageError
from slt_cli.landmarks.estimators.base import Estimator

ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "mediapipe": "MediaPipe Holistic: body, face and hands from the pixels",
        "mediapipe-tasks": "MediaPipe Tasks Holistic, with irises; needs holistic_landmarker.task",
        "precomputed": "landmark files made by others, named like the videos; looks at no pixel",
        "synthetic": "the truth written beside a video that slt demo rendered; looks at no pixel",
    }
)


def preload(name: str) -> None:
    """Import what an estimator needs, as far as it is there, before the first clip comes."""
    if name.startswith("mediapipe"):
        from slt_cli.landmarks.estimators.mediapipe import load_mediapipe

        with suppress(MissingAsset):  # creating the estimator will say so
            load_mediapipe()


def check_estimator(name: str, model_sha256: str | None = None) -> None:
    """Raise `MissingAsset` before any work when an estimator lacks its package or model file."""
    if name == "mediapipe-tasks":
        from slt_cli.landmarks.estimators.mediapipe_tasks import find_model

        find_model(model_sha256)


def create_estimator(
    name: str,
    video_path: Path,
    *,
    model_sha256: str | None = None,
    landmarks_dir: Path | None = None,
) -> Estimator:
    """A fresh estimator for the clip at `video_path`.

    `model_sha256` is the hash to accept of a model file instead of the known ones, `landmarks_dir`
    the folder that `precomputed` reads. Raises `UsageError` for an unknown name or a lacking
    folder, and `MissingAsset` when what the estimator needs is not installed.
    """
    if name == "mediapipe":
        from slt_cli.landmarks.estimators.mediapipe import MediaPipeHolistic

        return MediaPipeHolistic()
    if name == "mediapipe-tasks":
        from slt_cli.landmarks.estimators.mediapipe_tasks import MediaPipeTasksHolistic

        return MediaPipeTasksHolistic(model_sha256)
    if name == "precomputed":
        from slt_cli.landmarks.estimators.precomputed import PrecomputedEstimator

        if landmarks_dir is None:
            raise UsageError(
                "the estimator 'precomputed' needs a folder of landmark files",
                hint="slt extract --estimator precomputed --landmarks-dir FOLDER",
            )
        return PrecomputedEstimator(video_path, landmarks_dir)
    if name == "synthetic":
        from slt_cli.landmarks.estimators.synthetic import SyntheticEstimator

        return SyntheticEstimator(video_path)
    near = get_close_matches(name, ESTIMATORS, n=1)
    raise UsageError(
        f"unknown estimator {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
        hint="one of: " + ", ".join(ESTIMATORS),
    )
