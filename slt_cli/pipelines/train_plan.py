"""`slt train --dry-run`: what a run would do, what it lacks, and what it would cost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slt_cli.errors import SltError
from slt_cli.pipelines.result import Plan, Result
from slt_cli.pipelines.train import check_backbones, check_recipe, missing_files, work_dir_of
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.pipelines.train_cost import Estimate

FOLDERS = {"face": "face_dir", "hand_left": "hand_left_dir",
                   "hand_right": "hand_right_dir", "pose": "pose_dir"}  # fmt: skip


def plan_train(loaded: Loaded) -> Result:
    """What `run_train` would do, what it lacks and what it would cost. Writes nothing.

    Raises what `run_train` raises for settings that do not fit each other or the corpus.
    """
    from slt_cli.data.annotations import missing_tables
    from slt_cli.pipelines.corpora import corpus_paths
    from slt_cli.pipelines.train_cost import estimate_run
    from slt_cli.pipelines.training.clips import read_clips
    from slt_cli.pipelines.training.start import start_of
    from slt_cli.training.run_folder import RunFolder

    plan, settings, folder = Plan("train"), loaded.settings, RunFolder(work_dir_of(loaded))
    check_recipe(settings)
    check_backbones(settings)
    try:
        settings = start_of(folder, loaded).settings
    except SltError as error:
        plan.missing.append(_told(error))
    corpus = corpus_paths(settings.data)
    plan.missing += missing_tables(corpus, ("train", "val")) + missing_files(settings)
    plan.missing += _missing_start(settings)
    clips = None
    if plan.missing:
        plan.steps.append(f"train on {corpus.root}, once what is missing is there")
    else:
        clips = read_clips(settings)
        counts = {"train": len(clips.train), "val": len(clips.val)}
        plan.facts["clips"] = counts
        plan.steps.append(f"train on {counts['train']} clips, validate on {counts['val']}")
    plan.steps.append(f"run {settings.training.epochs} epochs and write {folder.path}/")
    if clips is not None and not loaded.settings.training.resume:
        plan.steps += _read(settings)
        estimate = estimate_run(settings, clips)
        plan.steps += _lines(estimate)
        plan.facts["estimate"] = estimate.facts()
    return plan.as_result(loaded.overrides())


def _told(error: SltError) -> str:
    return f"{error.message} ({error.where}); next: {error.hint}"


def _missing_start(settings: Settings) -> list[str]:
    from slt_cli.builders.assets import find_pretrained

    try:
        find_pretrained(settings, os.environ)
    except SltError as error:
        return [_told(error)]
    return []


def _read(settings: Settings) -> list[str]:
    """The streams, and the folders that were given although nothing reads them."""
    if settings.training.task == "gloss2text":
        return ["read glosses"]
    streams = settings.model.streams
    given = [name for name in FOLDERS if getattr(settings.data, FOLDERS[name])]
    idle = [f"data.{FOLDERS[name]}" for name in given if name not in streams]
    without = f"; nothing reads {', '.join(idle)} (add to --streams)" if idle else ""
    return [f"read {', '.join(streams)}{without}"]


def _lines(estimate: Estimate) -> list[str]:
    """The parameter table and the costs, as things that the run would do."""
    width = max(len(part.name) for part in estimate.parts)
    rows = [
        f"train {part.name:<{width}} {part.trained:>13,} parameters"
        + (f", and keep {part.frozen:,} frozen" if part.frozen else "")
        for part in estimate.parts
    ]
    trained = sum(part.trained for part in estimate.parts)
    frozen = sum(part.frozen for part in estimate.parts)
    rows.append(f"train {'in all':<{width}} {trained:>13,} parameters, and keep {frozen:,} frozen")
    return [
        *rows,
        f"use about {_size(estimate.memory_bytes)} of memory ({estimate.memory_how})",
        f"write about {_size(estimate.disk_bytes)} of checkpoints",
        f"take about {_duration(estimate.train_s)} for {estimate.updates} updates "
        f"({estimate.time_how})",
    ]


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
