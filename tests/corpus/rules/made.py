"""A whole corpus without a fault, and the ways to put one in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from slt_cli.corpus.clip_files import (
    ClipKeypoints,
    load_clip_keypoints,
    save_clip_keypoints,
    save_pose,
)
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.rules.check import check_corpus, read_corpus
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.limits import Limits
from tests.corpora import write_corpus

FRAMES = 6
FIRST = "train_000"
IDS = ("train_000", "train_001", "train_002", "val_000", "test_000")


def write_good_corpus(root: Path) -> Path:
    """Five clips with crops, poses and a manifest; each sentence is in one split only."""
    write_corpus(root, train=3, val=1, test=1, frames=FRAMES)
    write_lines(root / "meta.csv", "video_id;texto", *(f"{i};texto de {i}" for i in IDS))
    write_lines(
        root / "annotations" / "gloss.csv", "video_id;gloss;ctc_labels",
        *(f"{i};A B;1 2" for i in IDS),
    )  # fmt: skip
    paths = CorpusPaths.from_root(root)
    bright = picture(200)
    for video_id in IDS:
        edit_clip(root, lambda clip, i=video_id: with_crops(clip, i), video_id)
        save_pose(paths.pose(video_id), np.zeros((FRAMES, 51), np.float32))
        for stream in CROP_STREAMS:
            for frame in range(FRAMES):
                path = paths.crop_path(stream, video_id, frame)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(bright)
        record(root, video_id)
    return root


def with_crops(clip: ClipKeypoints, video_id: str) -> ClipKeypoints:
    """Every crop detected, at the top left; a source file of the clip's own."""
    frames = len(clip)
    return replace(
        clip,
        crop_box=np.tile(np.array([0, 0, 32, 32], np.int32), (3, frames, 1)),
        crop_source=np.ones((3, frames), np.uint8),
        source={"name": f"{video_id}.mp4", "sha256": video_id, "settings": "s" * 64},
    )


def picture(value: int, side: int = 32) -> bytes:
    """A square JPEG in one shade of grey."""
    data: bytes = simplejpeg.encode_jpeg(np.full((side, side, 3), value, np.uint8))
    return data


def record(root: Path, video_id: str, **changes: Any) -> None:
    """Add a record to the manifest; it replaces an earlier one of the clip."""
    usual = {"video_id": video_id, "status": "ok", "frames": {"keypoints": FRAMES}}
    append(root, "metadata.jsonl", json.dumps(usual | changes))


def write_lines(path: Path, *lines: str) -> None:
    """Write a text file."""
    path.write_text("\n".join(lines) + "\n", "utf-8")


def append(root: Path, name: str, line: str) -> None:
    """Add a line to a file of the corpus."""
    with (root / name).open("a", encoding="utf-8") as handle:
        handle.write(line + "\n")


def edit_clip(
    root: Path, edit: Callable[[ClipKeypoints], ClipKeypoints], video_id: str = FIRST
) -> None:
    """Rewrite the landmarks of a clip."""
    path = root / "keypoints" / f"{video_id}.npz"
    save_clip_keypoints(path, edit(load_clip_keypoints(path)))


def edit_arrays(root: Path, video_id: str = FIRST, **edits: Callable[[Any], Any]) -> None:
    """Rewrite single arrays of a clip, each from a copy of the old one."""
    edit_clip(
        root,
        lambda clip: replace(
            clip, **{name: edit(np.array(getattr(clip, name))) for name, edit in edits.items()}
        ),
        video_id,
    )


def put(place: Any, value: Any) -> Callable[[Any], Any]:
    """An edit that sets `array[place] = value`."""

    def edit(array: Any) -> Any:
        array[place] = value
        return array

    return edit


def findings(root: Path, limits: Limits | None = None) -> dict[str, Finding]:
    """What the rules find, by id."""
    paths = CorpusPaths.from_root(root)
    found = check_corpus(read_corpus(paths, limits or Limits(), lambda event, **facts: None))
    assert len({finding.rule for finding in found}) == len(found)
    return {finding.rule: finding for finding in found}
