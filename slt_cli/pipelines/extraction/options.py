"""What decides the outcome of an extraction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from slt_cli.storage.hashes import sha256_json

RULES = 1
"""Counts up when the same options begin to give other files."""


@dataclass(frozen=True)
class ExtractOptions:
    """Plain values; they travel to worker processes.

    `overlay` is an `.mp4` for a single clip or a folder that receives `<video_id>.mp4`; a `.png`
    contact sheet appears beside each. `log_path` takes what native libraries print in workers.
    """

    estimator: str = "mediapipe"
    crop_size: int = 224
    box_scale: float = 1.2
    jpeg_quality: int = 90
    pose_points: int = 17
    on_damage: Literal["fail", "warn", "ignore"] = "warn"
    overlay: Path | None = None
    log_path: Path | None = None

    def fingerprint(self) -> str:
        """Hash of the options that change what is written for a clip."""
        free = {"on_damage", "overlay", "log_path"}
        chosen = {k: v for k, v in asdict(self).items() if k not in free}
        return sha256_json({"rules": RULES, **chosen})

    def overlay_files(self, video_id: str) -> tuple[Path, Path] | None:
        """Where the drawn video and the contact sheet of a clip go, if they are wanted."""
        if self.overlay is None:
            return None
        single = self.overlay.suffix == ".mp4"
        video = self.overlay if single else self.overlay / f"{video_id}.mp4"
        return video, video.with_suffix(".png")
