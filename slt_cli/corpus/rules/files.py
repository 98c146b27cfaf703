"""Whether folders and manifest hold the clips, all of them and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import corpus_rule

_STAGED = ".slt-"
_CROP_NAME = re.compile(r"._f\d{6,}\.jpg$")


@corpus_rule(
    "C031", "error", "crops without keypoints",
    why="the keypoint file marks a clip as complete: without it nothing reads the crops",
)  # fmt: skip
def crops_have_keypoints(corpus: Corpus) -> Iterator[str]:
    """Every clip with crops has landmarks."""
    ids = corpus.ids
    for stream in CROP_STREAMS:
        for video_id in sorted(corpus.crops.clips(stream) - ids):
            count = len(corpus.crops.frames(stream, video_id))
            yield f"{video_id}: {count} crops in {corpus.paths.crop_dir(stream).name}/"


@corpus_rule(
    "C028", "error", "shard of packed crops is damaged",
    why="cut, altered or badly indexed: training stops at its first crop",
)  # fmt: skip
def shards_whole(corpus: Corpus) -> Iterator[str]:
    """Every shard is what its index says, byte for byte."""
    yield from (message for message, _ in corpus.crops.shard_errors)


@corpus_rule(
    "C023", "warning", "file that belongs to no clip",
    why="left by an interrupted or older extraction, or put there by hand",
)  # fmt: skip
def no_leftovers(corpus: Corpus) -> Iterator[str]:
    """No staging folders, no poses without clip, no other files in the folders of streams."""
    paths, ids = corpus.paths, corpus.ids
    yield from _strays(paths.root, lambda name: not name.startswith(_STAGED))
    for folder in (paths.keypoints_dir, paths.pose_dir):
        yield from _strays(folder, lambda name: _stem(name) in ids)
    for folder in map(paths.crop_dir, CROP_STREAMS):
        yield from _strays(folder, lambda name: bool(_CROP_NAME.search(name)))


@corpus_rule(
    "C024", "warning", "in the manifest, but not in the corpus",
    why="the clip was removed or its extraction was interrupted",
)  # fmt: skip
def manifest_has_files(corpus: Corpus) -> Iterator[str]:
    """Every clip that the manifest calls extracted is there, as long as it says."""
    frames = {clip.video_id: clip.frames for clip in corpus.clips}
    for video_id, record in corpus.manifest.items():
        if record.get("status") == "failed":
            continue
        if video_id not in frames:
            yield f"{video_id}: no keypoints"
            continue
        told = record.get("frames")
        told = told.get("keypoints") if isinstance(told, dict) else None
        if isinstance(told, int) and frames[video_id] and told != frames[video_id]:
            yield f"{video_id}: {frames[video_id]} frames, the manifest says {told}"


@corpus_rule(
    "C025", "warning", "in the corpus, but not in the manifest",
    why="its damage, fallbacks and people are unknown",
)  # fmt: skip
def files_have_manifest(corpus: Corpus) -> Iterator[str]:
    """Where there is a manifest, every clip has a record."""
    if corpus.manifest:
        yield from sorted(corpus.ids - corpus.manifest.keys())


@corpus_rule("C026", "warning", "extraction failed", why="the clip is missing from the corpus")
def none_failed(corpus: Corpus) -> Iterator[str]:
    """The manifest records no failed clip."""
    for video_id, record in corpus.manifest.items():
        if record.get("status") == "failed":
            error = record.get("error")
            reason = error.get("message") if isinstance(error, dict) else None
            yield f"{video_id}: {reason or 'no reason recorded'}"


def _strays(folder: Path, belongs: Callable[[str], bool]) -> list[str]:
    """What lies in a folder and does not belong there, sorted; folders hold millions of files."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as found:
        names = [e.name for e in found if e.name.startswith(_STAGED) or not belongs(e.name)]
    return [str(folder / name) for name in sorted(names)]


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix in {".npz", ".npy"} else ""
