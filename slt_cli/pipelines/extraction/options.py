"""What decides the outcome of an extraction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.storage.hashes import sha256_json

RULES = 2
"""Counts up when the same options begin to give other files."""
_FREE = {"on_damage", "overlay", "log_path", "landmarks_dir", "min_coverage"}


@dataclass(frozen=True)
class ExtractOptions:
    """Plain values; they travel to worker processes.

    `overlay` is an `.mp4` for a single clip or a folder that receives `<video_id>.mp4`; a `.png`
    contact sheet appears beside each. `log_path` takes what native libraries print in workers.
    """

    estimator: str = "mediapipe"
    model_sha256: str | None = None
    landmarks_dir: Path | None = None
    signer: str = "auto"
    fps: float | None = None
    fps_limit: float | None = None
    stride: int = 1
    frames_fps: float = 25.0
    streams: tuple[str, ...] = (*CROP_STREAMS, "pose")
    crop_size: int = 224
    box_scale: float = 1.2
    jpeg_quality: int = 90
    face_privacy: Literal["none", "gray", "blur"] = "none"
    pose_points: int = 17
    min_coverage: float = 0.0
    on_damage: Literal["fail", "warn", "ignore"] = "warn"
    overlay: Path | None = None
    log_path: Path | None = None

    @property
    def crop_streams(self) -> tuple[str, ...]:
        """The crops that are wanted, in the order of every array of boxes."""
        return tuple(stream for stream in CROP_STREAMS if stream in self.streams)

    def fingerprint(self) -> str:
        """Hash of the options that change what is written for a clip."""
        chosen = {key: value for key, value in asdict(self).items() if key not in _FREE}
        return sha256_json({"rules": RULES, **chosen, "streams": sorted(self.streams)})

    def overlay_files(self, video_id: str) -> tuple[Path, Path] | None:
        """Where the drawn video and the contact sheet of a clip go, if they are wanted."""
        if self.overlay is None:
            return None
        single = self.overlay.suffix == ".mp4"
        video = self.overlay if single else self.overlay / f"{video_id}.mp4"
        return video, video.with_suffix(".png")
