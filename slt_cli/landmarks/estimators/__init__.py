"""The estimators by name. Each one is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from slt_cli.errors import UsageError
from slt_cli.landmarks.estimators.base import Estimator

ESTIMATORS: Mapping[str, str] = MappingProxyType(
    {
        "mediapipe": "MediaPipe Holistic: body, face and hands from the pixels",
        "synthetic": "the truth written beside a video that slt demo rendered; looks at no pixel",
    }
)


def create_estimator(name: str, video_path: Path) -> Estimator:
    """A fresh estimator for the clip at `video_path`.

    Raises `UsageError` for an unknown name and `MissingAsset` when what it needs is not installed.
    """
    if name == "mediapipe":
        from slt_cli.landmarks.estimators.mediapipe import MediaPipeHolistic

        return MediaPipeHolistic()
    if name == "synthetic":
        from slt_cli.landmarks.estimators.synthetic import SyntheticEstimator

        estimator: Estimator = SyntheticEstimator(video_path)
        return estimator
    near = get_close_matches(name, ESTIMATORS, n=1)
    raise UsageError(
        f"unknown estimator {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
        hint="one of: " + ", ".join(ESTIMATORS),
    )
