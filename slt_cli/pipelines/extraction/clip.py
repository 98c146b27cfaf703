"""One clip, written into a corpus or held in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints, save_pose
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths, crop_name
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.signing_space import signing_space_v1
from slt_cli.pipelines.extraction.analysis import ClipAnalysis, encode_crop
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.storage.atomic import move_into, stage_bytes, staging_dir
from slt_cli.video.decode import DamageReport

Record = dict[str, Any]


@dataclass(frozen=True)
class MemoryClip:
    """What `extract` would have written: landmarks, pose (T, 3 * L) and JPEGs by crop stream."""

    keypoints: ClipKeypoints
    pose: npt.NDArray[np.float32]
    crops: dict[str, list[bytes]]
    damage: DamageReport


def extract_clip(
    video: Path,
    corpus: CorpusPaths,
    video_id: str,
    options: ExtractOptions,
    tick: Callable[[int], None] = lambda frames: None,
) -> Record:
    """Write crops, pose and keypoints of one video; returns its record for the manifest.

    `tick` is told the number of frames after each of them.

    The files appear together at the end, the keypoints last: where they are, the clip is complete.
    Raises `InputError` for an unusable video, or a damaged one when `options` say so; then nothing
    is left behind.
    """
    started = time.monotonic()
    with (
        staging_dir(corpus.root, video_id) as stage,
        ClipAnalysis(video, options) as analysis,
    ):
        for i, frame in enumerate(analysis):
            for stream, crop in zip(CROP_STREAMS, frame.crops, strict=True):
                name = f"{stream}-{crop_name(video_id, i)}"
                stage_bytes(stage / name, encode_crop(crop, options.jpeg_quality))
            tick(i + 1)
        _judge_damage(analysis.damage, video, options)
        clip = analysis.clip()
        _commit(stage, corpus, video_id, clip, _pose(clip, options))
        elapsed_s = time.monotonic() - started
        return {
            "video_id": video_id,
            "status": "damaged" if _is_to_be_told(analysis.damage, options) else "ok",
            "source": clip.source,
            "estimator": clip.estimator,
            **analysis.facts(),
            "elapsed_s": round(elapsed_s, 2),
            "frames_per_s": round(len(clip) / elapsed_s, 1),
        }


def extract_in_memory(video: Path, options: ExtractOptions) -> MemoryClip:
    """The same as `extract_clip`, without writing anything.

    Crops stay JPEGs: that keeps a long clip small, and shows a model what it was trained on.
    """
    crops: dict[str, list[bytes]] = {stream: [] for stream in CROP_STREAMS}
    with ClipAnalysis(video, options) as analysis:
        for frame in analysis:
            for stream, crop in zip(CROP_STREAMS, frame.crops, strict=True):
                crops[stream].append(encode_crop(crop, options.jpeg_quality))
        _judge_damage(analysis.damage, video, options)
        clip = analysis.clip()
        return MemoryClip(clip, _pose(clip, options), crops, analysis.damage)


def _pose(clip: ClipKeypoints, options: ExtractOptions) -> npt.NDArray[np.float32]:
    layout = get_layout(clip.layout)
    return signing_space_v1(clip.keypoints, clip.valid, layout, options.pose_points)


def _commit(
    stage: Path,
    corpus: CorpusPaths,
    video_id: str,
    clip: ClipKeypoints,
    pose: npt.NDArray[np.float32],
) -> None:
    corpus.keypoints(video_id).unlink(missing_ok=True)  # from here on the older clip is gone
    for stream in CROP_STREAMS:
        for i in range(len(clip)):
            staged = stage / f"{stream}-{crop_name(video_id, i)}"
            move_into(staged, corpus.crop_path(stream, video_id, i))
        _remove_from(corpus, stream, video_id, len(clip))
    save_pose(corpus.pose(video_id), pose)
    save_clip_keypoints(corpus.keypoints(video_id), clip)


def _remove_from(corpus: CorpusPaths, stream: str, video_id: str, first: int) -> None:
    """Remove crops of an older, longer extraction; the last first, so that no gap can remain."""
    end = first
    while corpus.crop_path(stream, video_id, end).exists():
        end += 1
    for i in reversed(range(first, end)):
        corpus.crop_path(stream, video_id, i).unlink()


def _is_to_be_told(damage: DamageReport, options: ExtractOptions) -> bool:
    return damage.is_damaged and options.on_damage != "ignore"


def _judge_damage(damage: DamageReport, video: Path, options: ExtractOptions) -> None:
    if damage.is_damaged and options.on_damage == "fail":
        raise InputError(
            f"the video is damaged: {damage.describe()}", where=str(video),
            hint="get a whole copy, or keep what can be read with --on-damage warn",
        )  # fmt: skip
