"""Landmarks that others found become clips of a corpus, without crops: there are no pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints, save_pose
from slt_cli.corpus.column_maps import column_map
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.tables import Table, read_table, write_table
from slt_cli.errors import InputError, UsageError
from slt_cli.landmarks.formats import read_annotations
from slt_cli.landmarks.formats.track import ClipAnnotation, LandmarkTrack
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.signing_space import signing_space_v1
from slt_cli.pipelines.extraction.inputs import member_id
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.storage.lock import folder_lock
from slt_cli.video.decode import DamageReport
from slt_cli.video.resample import Resampling

Record = dict[str, Any]
_COMPONENTS = ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND")


def import_track(
    track: LandmarkTrack,
    source: Path,
    source_sha256: str,
    corpus: CorpusPaths,
    video_id: str,
    options: ExtractOptions,
) -> Record:
    """Write pose and keypoints of one clip, the keypoints last; returns its manifest record.

    The record has the keys of an extracted clip, and `notes` with what had to be assumed. Frames
    are thinned as the options say. Raises `InputError` when the body is seen in too few frames for
    `options.min_coverage`; then the corpus is as it was.
    """
    clip = _clip(track, source, source_sha256, options)
    layout = get_layout(clip.layout)
    coverage = {
        name.lower(): round(float(clip.valid[:, list(layout.component(name))].any(1).mean()), 4)
        for name in _COMPONENTS
    }
    if coverage["pose"] < options.min_coverage:
        raise InputError(
            f"a body is seen in {coverage['pose']:.0%} of the frames, not "
            f"{options.min_coverage:.0%}",
            where=str(source), hint="look at the landmarks, or lower --min-coverage",
        )  # fmt: skip
    pose = signing_space_v1(clip.keypoints, clip.valid, layout, options.pose_points)
    notes = list(track.notes)
    if "pose" in options.streams and not (pose.reshape(len(clip), -1, 3)[..., 2] > 0).any():
        notes.append("no frame shows nose and both shoulders: the pose file holds no point")
    corpus.keypoints(video_id).unlink(missing_ok=True)  # from here on the older clip is gone
    _remove_crops(corpus, video_id)
    if "pose" in options.streams:
        save_pose(corpus.pose(video_id), pose)
    else:
        corpus.pose(video_id).unlink(missing_ok=True)
    save_clip_keypoints(corpus.keypoints(video_id), clip)
    return _record(clip, video_id, options) | {
        "coverage": coverage, "imported_from": track.file_format, "notes": notes,
    }  # fmt: skip


def import_annotations(path: Path, corpus: CorpusPaths) -> list[str]:
    """Add texts, signers and glosses of a pickle to the tables of the corpus.

    Rows that are there stay as they are; only their empty cells are filled. Returns a note for
    every row that says something else than the pickle. Other formats carry no annotations.
    """
    found = {member_id(clip.video_id): clip for clip in read_annotations(path)}
    texts = {
        video_id: {"text": clip.text} | ({"signer": clip.signer} if clip.signer else {})
        for video_id, clip in found.items() if clip.text
    }  # fmt: skip
    if not found:
        return []
    signers = ("signer",) if any(clip.signer for clip in found.values()) else ()
    with _turn(corpus):
        glosses = _glosses(found, corpus.gloss_csv)
        return [
            *_merge(corpus.metadata_csv, ("video_id", "texto", *signers), texts),
            *_merge(corpus.gloss_csv, ("video_id", "gloss", "ctc_labels"), glosses),
        ]


@contextmanager
def _turn(corpus: CorpusPaths) -> Iterator[None]:
    """Wait until no other process changes the tables: each import reads, adds and writes."""
    with ExitStack() as stack:
        for wait_s in (*[0.1] * 600, 0):
            try:
                stack.enter_context(folder_lock(corpus.root, "the tables", ".lock-tables"))
                break
            except UsageError:
                if not wait_s:
                    raise
                time.sleep(wait_s)
        yield


def _clip(
    track: LandmarkTrack, source: Path, source_sha256: str, options: ExtractOptions
) -> ClipKeypoints:
    keep = Resampling(options.fps, options.fps_limit, options.stride).selector(track.fps)
    chosen = np.flatnonzero([keep(float(time_s)) for time_s in track.time_s])
    points, count = track.points[chosen], len(chosen)
    name = source.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    member = {"member": track.member} if track.member else {}
    return ClipKeypoints(
        keypoints=np.dstack([points[..., :2], track.confidence[chosen]]),
        z=points[..., 2],
        valid=track.valid[chosen],
        time_s=track.time_s[chosen],
        crop_box=np.zeros((3, count, 4), np.int32),
        crop_source=np.zeros((3, count), np.uint8),
        layout=track.layout,
        frame_size=track.frame_size,
        fps=track.fps,
        source={"name": name, "sha256": source_sha256, "settings": options.fingerprint()} | member,
        estimator=track.estimator,
    )


def _record(clip: ClipKeypoints, video_id: str, options: ExtractOptions) -> Record:
    """What the manifest says of every clip; what pictures would have told is empty."""
    fps, frames = clip.fps, len(clip)
    damage = DamageReport(frames=frames, last_s=float(clip.time_s[-1]))
    return {
        "video_id": video_id,
        "status": "ok",
        "source": clip.source,
        "estimator": clip.estimator,
        "fps": f"{fps.numerator}/{fps.denominator}" if fps else None,
        "frame_size": list(clip.frame_size),
        "frames": {
            stream: frames for stream in ("pose", "keypoints")
            if stream in options.streams or stream == "keypoints"
        },
        "fallbacks": {},
        "hands": dict.fromkeys(("swapped", "moved", "dropped"), 0),
        "failed_frames": 0,
        "unusable_points": 0,
        "people": None,
        "damage": {**damage.as_dict(), "summary": ""},
    }  # fmt: skip


def _remove_crops(corpus: CorpusPaths, video_id: str) -> None:
    """Remove the crops of an older extraction, the last first, so that no gap can remain."""
    for stream in CROP_STREAMS:
        count = 0
        while corpus.crop_path(stream, video_id, count).exists():
            count += 1
        for frame in reversed(range(count)):
            corpus.crop_path(stream, video_id, frame).unlink()


def _glosses(found: Mapping[str, ClipAnnotation], path: Path) -> dict[str, dict[str, str]]:
    """Rows with glosses and their numbers: the known ones of the table, new ones behind them."""
    numbers = dict(_numbers(read_table(path))) if path.is_file() else {}
    vocabulary = {gloss for clip in found.values() for gloss in clip.glosses}
    for gloss in sorted(vocabulary - set(numbers)):
        numbers[gloss] = max(numbers.values(), default=0) + 1
    return {
        video_id: {
            "gloss": " ".join(clip.glosses),
            "labels": " ".join(str(numbers[gloss]) for gloss in clip.glosses),
        }
        for video_id, clip in found.items()
        if clip.glosses
    }


def _numbers(table: Table) -> Iterator[tuple[str, int]]:
    gloss, labels = table.find("gloss"), table.find("labels")
    for row in table.rows if gloss and labels else ():
        words, numbers = row.cells[str(gloss)].split(), row.cells[str(labels)].split()
        if len(words) == len(numbers) and all(number.isdecimal() for number in numbers):
            yield from zip(words, map(int, numbers), strict=True)


def _merge(
    path: Path, columns: tuple[str, ...], rows: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Add rows, given as cells by role, to a table, or begin it with `columns`.

    Returns a note for every cell that says something else already.
    """
    if not rows:
        return []
    table = Table(path, columns, (), column_map(None, columns))
    if path.is_file():
        table = read_table(path)
    if table.delimiter != ";":
        return [f"{path} is a table of another make and is left as it is"]
    older = {video_id: row.cells for video_id, row in table.by_id().items()}
    merged = {video_id: dict(cells) for video_id, cells in older.items()}
    notes = []
    for video_id, cells in rows.items():
        row = merged.setdefault(video_id, dict.fromkeys(table.columns, ""))
        for role, text in {"id": video_id, **cells}.items():
            column = table.find(role)
            if column is None:
                continue
            if row[column] not in ("", text) and role != "labels":
                notes.append(f"{path.name}: {video_id} keeps {row[column]!r}, not {text!r}")
            row[column] = row[column] or text
    if merged != older:
        body = ([row[column] for column in table.columns] for row in merged.values())
        write_table(path, table.columns, body)
    return notes
