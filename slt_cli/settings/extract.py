"""From video to the data contract."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slt_cli.settings.base import Section, setting


class ExtractSettings(Section):
    """Estimator, crops and how damaged or existing clips are treated."""

    output: Path = setting(Path("corpus"), "corpus folder to write", short="-o")
    estimator: Literal["mediapipe", "synthetic"] = setting(
        "mediapipe", "landmark estimator; synthetic reads what `slt demo` renders"
    )
    workers: int = setting(2, "videos worked on at the same time", ge=1, le=256)
    crop_size: int = setting(224, "side of the face and hand crops in pixels", ge=32, le=1024)
    box_scale: float = setting(1.2, "crop side over the extent of its landmarks", ge=1, le=4)
    jpeg_quality: int = setting(90, "JPEG quality of the crops", ge=1, le=100)
    pose_landmarks: int = setting(17, "pose points kept in pose/<id>.npz", ge=17, le=33)
    on_damage: Literal["fail", "warn", "ignore"] = setting(
        "warn", "damaged video: fail the clip, keep and report it, or just keep it"
    )
    overlay: Path | None = setting(
        None, "draw skeleton, boxes and fallbacks: an .mp4 for one video, a folder for several"
    )
    overwrite: bool = setting(False, "replace clips that were extracted differently")
    resume: bool = setting(True, "skip clips that are already there unchanged")
