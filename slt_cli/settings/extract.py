"""From video, or from landmarks found by others, to the data contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from slt_cli.settings.base import Section, setting

Stream = Literal["face", "hand_l", "hand_r", "pose", "keypoints"]
_SHARD = r"^[0-9]{1,6}/[1-9][0-9]{0,5}$"
_SIGNER = r"^(auto|largest|left|right|[0-9]+(\.[0-9]+)?(,[0-9]+(\.[0-9]+)?){3})$"


class ExtractSettings(Section):
    """What is read, which estimator sees it, what is written and how faults are treated."""

    output: Path = setting(Path("corpus"), "corpus folder to write", short="-o")
    files_from: str | None = setting(
        None, "file with one input per line; - reads the list from stdin"
    )
    null: bool = setting(False, "the list of --files-from is separated by NUL bytes", short="-0")
    segments: Path | None = setting(
        None, "table of clips (id, video, start, end) to cut out of the videos"
    )
    columns: str | None = setting(
        None, "column map of the table: a known name or a .toml file; told from the header if unset"
    )
    limit: int | None = setting(None, "take only this many clips", ge=1, le=10**9)
    shuffle: bool = setting(False, "take the clips in random order (see seed)")
    seed: int = setting(0, "seed of the random order", ge=0, lt=2**31)
    shard: str | None = setting(
        None, "i/n: take only part i of n (from 0), for array jobs", pattern=_SHARD
    )
    workers: int = setting(2, "processes working at the same time", ge=1, le=256)
    estimator: Literal["mediapipe", "mediapipe-tasks", "precomputed", "synthetic"] = setting(
        "mediapipe",
        "landmark estimator; precomputed reads landmarks_dir, synthetic what `slt demo` renders",
    )
    model_sha256: str | None = setting(
        None,
        "sha256 of the model file to accept for mediapipe-tasks, if not the known one",
        pattern=r"^[0-9a-f]{64}$",
    )
    landmarks_dir: Path | None = setting(
        None, "folder of landmark files named like the videos, for the precomputed estimator"
    )
    signer: str = setting(
        "auto", "who is followed: auto|largest|left|right, or a box x,y,w,h in pixels",
        pattern=_SIGNER,
    )  # fmt: skip
    fps: float | None = setting(
        None, "frames per second to keep, chosen by their times; never more than there are",
        gt=0, le=1000,
    )  # fmt: skip
    fps_limit: float | None = setting(
        None, "keep every n-th frame, with the least n that stays within this rate", gt=0, le=1000
    )
    stride: int = setting(1, "keep every n-th frame", ge=1, le=1000)
    frames_fps: float = setting(25.0, "frame rate of a folder of numbered pictures", gt=0, le=1000)
    streams: list[Stream] = setting(
        ["face", "hand_l", "hand_r", "pose", "keypoints"],
        "what is written; keypoints always are", min_length=1,
    )  # fmt: skip
    crop_size: int = setting(224, "side of the face and hand crops in pixels", ge=32, le=1024)
    box_scale: float = setting(1.2, "crop side over the extent of its landmarks", ge=1, le=4)
    jpeg_quality: int = setting(90, "JPEG quality of the crops", ge=1, le=100)
    face_privacy: Literal["none", "gray", "blur"] = setting(
        "none", "hide the face in crops, all but eyes and mouth"
    )
    pose_landmarks: int = setting(17, "pose points kept in pose/<id>.npz", ge=17, le=33)
    pack: bool = setting(False, "move the crops into indexed tar shards at the end")
    min_coverage: Annotated[float, Field(ge=0, le=1)] = setting(
        0.0, "least share of frames with a body; a clip below it fails"
    )
    on_damage: Literal["fail", "warn", "ignore"] = setting(
        "warn", "damaged video: fail the clip, keep and report it, or just keep it"
    )
    overlay: Path | None = setting(
        None, "draw skeleton, boxes and fallbacks: an .mp4 for one video, a folder for several"
    )
    overwrite: bool = setting(False, "replace clips that were extracted differently")
    resume: bool = setting(True, "skip clips that are already there unchanged")

    def contradictions(self) -> Iterator[str]:
        """Two ways of choosing frames, a shard that does not exist, options that lack another."""
        chosen = [self.fps is not None, self.fps_limit is not None, self.stride > 1]
        if sum(chosen) > 1:
            yield "give one of fps, fps_limit and stride"
        if self.shard is not None and re.match(_SHARD, self.shard):
            part, parts = map(int, self.shard.split("/"))
            if part >= parts:
                yield f"shard {self.shard}: parts are numbered from 0 to {parts - 1}"
        if (self.estimator == "precomputed") != (self.landmarks_dir is not None):
            yield "estimator precomputed and landmarks_dir belong together"
        if self.null and self.files_from is None:
            yield "null describes the list of files_from"
