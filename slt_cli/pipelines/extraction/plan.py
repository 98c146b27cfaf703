"""What is left to do of what was asked: resume by the hash of source and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.extraction.merged import Record
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.source import sha256_source
from slt_cli.pipelines.extraction.tasks import Task

_SHOWN = 5


@dataclass
class ExtractPlan:
    """What there is to do: clips to extract, clips that only lack their drawing, finished ones."""

    todo: list[Task] = field(default_factory=list)
    undrawn: list[tuple[Task, Record]] = field(default_factory=list)
    finished: list[Record] = field(default_factory=list)


def plan_clips(
    tasks: Sequence[Task], corpus: CorpusPaths, options: ExtractOptions,
    *, overwrite: bool, resume: bool,
) -> ExtractPlan:  # fmt: skip
    """Compare the clips asked for with the corpus.

    A complete clip of the same file and options is finished; one that a crash left damaged or
    unrecorded is done again. Raises `UsageError` naming clips that were made otherwise, unless
    `overwrite`.
    """
    manifest = read_manifest(corpus.manifest)
    plan, conflicts = ExtractPlan(), list[str]()
    sha256 = cache(sha256_source)
    for task in tasks:
        video_id = task.clip.video_id
        if not corpus.keypoints(video_id).exists():
            plan.todo.append(task)
            continue
        wanted = {
            "sha256": sha256(task.source.path), "settings": options.fingerprint(),
            "span": task.clip.span,
        }  # fmt: skip
        record = manifest.get(video_id, {})
        state = clip_state(corpus, video_id, record, wanted)
        if state == "finished" and resume:
            if all(path.exists() for path in options.overlay_files(video_id) or ()):
                plan.finished.append(record)
            else:
                plan.undrawn.append((task, record))
        elif state != "other" or overwrite:
            plan.todo.append(task)
        else:
            conflicts.append(video_id)
    if conflicts:
        raise conflict(conflicts, corpus.root)
    return plan


def clip_state(corpus: CorpusPaths, video_id: str, record: Record, wanted: dict[str, Any]) -> str:
    """`finished`, `torn` (a crash left it so), or `other`: made from another file or otherwise."""
    recorded = _agrees(record.get("source"), wanted)
    stored = _stored_from(corpus.keypoints(video_id), wanted)
    return "finished" if recorded and stored else "torn" if recorded or stored else "other"


def conflict(names: Sequence[str], where: Path) -> UsageError:
    """The error for clips that are in the way."""
    shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    return UsageError(
        f"{len(names)} clips are there already, made from other files or with other settings: "
        f"{shown}",
        where=str(where), hint="add --overwrite, or choose another corpus with --output",
    )  # fmt: skip


def _stored_from(path: Path, wanted: dict[str, Any]) -> bool:
    try:
        return _agrees(load_clip_keypoints(path).source, wanted)
    except InputError:
        return False


def _agrees(source: Any, wanted: dict[str, Any]) -> bool:
    return isinstance(source, dict) and all(source.get(k) == v for k, v in wanted.items())
