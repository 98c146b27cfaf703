"""One clip: from the results of its pieces to the files of the corpus, or to memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_blocks, save_pose
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.errors import SltError
from slt_cli.pipelines.extraction.analysis import analyse
from slt_cli.pipelines.extraction.merged import Merged, Record
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan, Piece, divide
from slt_cli.pipelines.extraction.running import Crops
from slt_cli.pipelines.extraction.source import SourceFile, duration_s
from slt_cli.pipelines.extraction.stage import HeldPiece, Stage
from slt_cli.storage.atomic import move_into, stage_bytes, staging_dir
from slt_cli.video.decode import DamageReport


@dataclass(frozen=True)
class MemoryClip:
    """What `extract` would have written: landmarks, pose (T, 3 * L) and JPEGs by crop stream."""

    keypoints: ClipKeypoints
    pose: npt.NDArray[np.float32]
    crops: dict[str, list[bytes]]
    damage: DamageReport


def stage_pieces(
    source: SourceFile,
    pieces: Sequence[Piece],
    stage: Stage,
    options: ExtractOptions,
    tick: Callable[[int], None] = lambda frames: None,
) -> Iterator[tuple[Piece, SltError | None]]:
    """Analyse pieces of one video into the stage; yields each as it is there, or its error."""
    for piece in pieces:
        stage.folder(piece.clip.video_id).mkdir(parents=True, exist_ok=True)

    def keep(piece: Piece, index: int, crops: Crops) -> None:
        for stream, crop in _chosen(crops, options):
            path = stage.crop(piece.clip.video_id, stream, piece.number, index)
            stage_bytes(path, encode_crop(crop, options.jpeg_quality))

    for piece, result in analyse(source.path, pieces, options, keep, tick):
        if isinstance(result, SltError):
            yield piece, result
        else:
            stage.save(piece, result)
            yield piece, None


def commit_clip(
    source: SourceFile, clip: ClipSpan, total: int, stage: Stage, corpus: CorpusPaths,
    options: ExtractOptions,
) -> Record:  # fmt: skip
    """Move a clip whose `total` pieces are staged into the corpus; returns its manifest record.

    The files appear together at the end, the keypoints last: where they are, the clip is complete.
    Raises `InputError` for a clip without frames, one on which the estimator failed too often, or
    a damaged one when `options` say so; then the corpus is as it was.
    """
    pieces = stage.stored(clip.video_id, total)
    merged = Merged(source, clip, pieces, options)
    merged.check()
    corpus.keypoints(clip.video_id).unlink(missing_ok=True)  # from here on the older clip is gone
    _move_crops(stage, corpus, clip.video_id, [p.facts["frames"] for p in pieces], options)
    if "pose" in options.streams:
        save_pose(corpus.pose(clip.video_id), merged.pose())
    else:
        corpus.pose(clip.video_id).unlink(missing_ok=True)
    save_clip_blocks(corpus.keypoints(clip.video_id), merged.header(), merged.blocks())
    return merged.record()


def extract_clip(
    video: Path,
    corpus: CorpusPaths,
    video_id: str,
    options: ExtractOptions,
    tick: Callable[[int], None] = lambda frames: None,
) -> Record:
    """Write crops, pose and keypoints of one video in this process; returns its record.

    The same files as `slt extract` writes. Raises `InputError` for an unusable video, and like
    `commit_clip`; then nothing is left behind.
    """
    started = time.monotonic()
    with staging_dir(corpus.root, video_id) as folder:
        stage, clip = Stage(folder), ClipSpan(video_id)
        source = SourceFile.of(video)
        groups = divide([clip], duration_s(video, options.frames_fps))
        for group in groups:
            for _, error in stage_pieces(source, group, stage, options, tick):
                if error is not None:
                    raise error
        record = commit_clip(source, clip, len(groups), stage, corpus, options)
    return record | timing(record, time.monotonic() - started)


def timing(record: Record, elapsed_s: float) -> Record:
    """How long a clip took, for its record."""
    frames = record["frames"]["keypoints"]
    return {"elapsed_s": round(elapsed_s, 2), "frames_per_s": round(frames / elapsed_s, 1)}


def extract_in_memory(video: Path, options: ExtractOptions) -> MemoryClip:
    """The same as `extract_clip`, without writing anything.

    Crops stay JPEGs: that keeps a long clip small, and shows a model what it was trained on.
    """
    crops: dict[str, list[bytes]] = {stream: [] for stream in CROP_STREAMS}

    def keep(piece: Piece, index: int, found: Crops) -> None:
        for stream, crop in _chosen(found, options):
            crops[stream].append(encode_crop(crop, options.jpeg_quality))

    source, clip, held = SourceFile.of(video), ClipSpan(video.stem), list[HeldPiece]()
    for group in divide([clip], duration_s(video, options.frames_fps)):
        for _, result in analyse(video, group, options, keep):
            if isinstance(result, SltError):
                raise result
            held.append(HeldPiece(result))
    merged = Merged(source, clip, held, options)
    merged.check()
    return MemoryClip(merged.keypoints(), merged.pose(), crops, merged.damage)


def encode_crop(rgb: npt.NDArray[np.uint8], quality: int) -> bytes:
    """A crop (S, S, 3) as JPEG."""
    data: bytes = simplejpeg.encode_jpeg(
        rgb, quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return data


def _chosen(crops: Crops, options: ExtractOptions) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    for stream, crop in zip(CROP_STREAMS, crops, strict=True):
        if stream in options.streams:
            yield stream, crop


def _move_crops(
    stage: Stage, corpus: CorpusPaths, video_id: str, frames: Sequence[int], options: ExtractOptions
) -> None:
    for stream in CROP_STREAMS:
        at = 0
        for number, count in enumerate(frames if stream in options.streams else ()):
            for index in range(count):
                staged = stage.crop(video_id, stream, number, index)
                move_into(staged, corpus.crop_path(stream, video_id, at))
                at += 1
        _remove_from(corpus, stream, video_id, at)


def _remove_from(corpus: CorpusPaths, stream: str, video_id: str, first: int) -> None:
    """Remove crops of an older, longer extraction; the last first, so that no gap can remain."""
    end = first
    while corpus.crop_path(stream, video_id, end).exists():
        end += 1
    for i in reversed(range(first, end)):
        corpus.crop_path(stream, video_id, i).unlink()
