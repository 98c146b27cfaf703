"""`slt extract`: videos, or landmarks found by others, to a corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slt_cli.corpus.manifest import append_record
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import Interrupted, OutOfResources, SltError, UsageError
from slt_cli.landmarks.estimators import check_estimator
from slt_cli.pipelines.extraction.jobs import (
    Answer,
    CommitJob,
    DrawJob,
    ImportJob,
    Job,
    PieceDone,
    Place,
    VideoJob,
)
from slt_cli.pipelines.extraction.merged import Record
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.pipelines.extraction.plan import ExtractPlan, plan_clips
from slt_cli.pipelines.extraction.tasks import Task, Tasks, find_tasks, parse_shard, write_tables
from slt_cli.pipelines.extraction.workers import Crew
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.extract import ExtractSettings
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import staging_dir
from slt_cli.storage.lock import folder_lock


@dataclass
class ExtractOutcome:
    """What became of every clip."""

    done: list[Record] = field(default_factory=list)
    skipped: list[Record] = field(default_factory=list)
    failed: dict[str, SltError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def plan_extract(inputs: Sequence[str], loaded: Loaded) -> Result:
    """What `run_extract` would do: the clips to extract, those already there, those in the way."""
    settings = loaded.settings.extract
    corpus, plan = CorpusPaths.from_root(settings.output), Plan("extract")
    found = find_tasks(inputs, settings, spool=None)
    plan.missing += [f"{error.where}: {error.message}" for error in found.missing.values()]
    known = [task for task in found.tasks if task.source.path != Path("-")]
    clips = plan_clips(
        known, corpus, extract_options(settings, corpus),
        overwrite=settings.overwrite, resume=settings.resume,
    )  # fmt: skip
    plan.steps += [f"extract stdin as {t.clip.video_id}" for t in found.tasks if t not in known]
    plan.steps += [f"extract {t.source.path} as {t.clip.video_id}" for t in clips.todo]
    plan.steps += [f"draw {task.clip.video_id}: already there" for task, _ in clips.undrawn]
    plan.steps += [f"skip {record['video_id']}: already there" for record in clips.finished]
    plan.facts |= {"workers": settings.workers, "notes": found.notes}
    plan.steps.append(f"write into {corpus.root}/ with the estimator {settings.estimator}")
    if settings.pack:
        plan.steps.append(f"pack the crops into {corpus.shard_dir}/")
    return plan.as_result(loaded.overrides())


def run_extract(inputs: Sequence[str], settings: Settings, report: Report) -> Result:
    """Extract videos, folders of them, or landmark files into the corpus `extract.output`.

    A bad input costs one clip: the result then lists it and carries exit code 4, or 3 (2 for
    missing files) when nothing could be extracted. Raises `UsageError` when there is no input or
    a clip is in the way, `Interrupted` after a stop signal.
    """
    from slt_cli.training.signals import stop_request

    options = settings.extract
    corpus = CorpusPaths.from_root(options.output)
    shard = parse_shard(options.shard) if options.shard else None
    lock = ".lock" if shard is None else f".lock-{shard[0]}-of-{shard[1]}"
    with (
        folder_lock(corpus.root, "the corpus", lock),
        staging_dir(corpus.root, "spool") as spool,
        stop_request() as should_stop,
    ):
        found = find_tasks(inputs, options, spool)
        _check_overlay(options, found)
        for note in found.notes:
            report("note", text=note)
        if any(task.source.kind == "video" for task in found.tasks):
            check_estimator(options.estimator, options.model_sha256)
        (corpus.root / "logs").mkdir(exist_ok=True)
        segments = [task.segment for task in found.tasks if task.segment is not None]
        notes = write_tables(corpus, segments) if segments else []
        outcome = extract_many(
            found.tasks, corpus, extract_options(options, corpus), workers=options.workers,
            report=report, overwrite=options.overwrite, resume=options.resume,
            limit=options.limit, manifest=corpus.manifest_for(shard), should_stop=should_stop,
        )  # fmt: skip
        notes += outcome.notes
        if options.pack:
            notes.append(_pack(corpus, outcome, shard, report, should_stop))
        for note in notes:
            report("note", text=note)
    return _result(corpus, outcome, outcome.failed | found.missing, found.notes + notes)


def extract_options(settings: ExtractSettings, corpus: CorpusPaths) -> ExtractOptions:
    """The settings that travel to workers."""
    return ExtractOptions(
        estimator=settings.estimator, model_sha256=settings.model_sha256,
        landmarks_dir=settings.landmarks_dir, signer=settings.signer, fps=settings.fps,
        fps_limit=settings.fps_limit, stride=settings.stride, frames_fps=settings.frames_fps,
        streams=tuple(settings.streams), crop_size=settings.crop_size,
        box_scale=settings.box_scale, jpeg_quality=settings.jpeg_quality,
        face_privacy=settings.face_privacy, pose_points=settings.pose_landmarks,
        min_coverage=settings.min_coverage, on_damage=settings.on_damage,
        overlay=settings.overlay, log_path=corpus.root / "logs" / "extract.log",
    )  # fmt: skip


def _check_overlay(options: ExtractSettings, found: Tasks) -> None:
    if not found.tasks and found.missing:
        raise next(iter(found.missing.values()))
    if options.overlay and options.overlay.suffix == ".mp4" and len(found.tasks) > 1:
        raise UsageError(
            f"one overlay file for {len(found.tasks)} clips", where=str(options.overlay),
            hint="give --overlay a folder",
        )  # fmt: skip


def _pack(
    corpus: CorpusPaths, outcome: ExtractOutcome, shard: tuple[int, int] | None, report: Report,
    should_stop: Callable[[], int | None],
) -> str:  # fmt: skip
    from slt_cli.corpus.packing import pack_corpus

    names = [record["video_id"] for record in outcome.done + outcome.skipped]
    tag = "" if shard is None else f"{shard[0]:05d}-of-{shard[1]:05d}-"
    packed = pack_corpus(corpus, names, tag=tag, report=report, should_stop=should_stop)
    return f"{packed.crops} crops of {packed.clips} clips packed into {packed.shards} shards"


def _result(
    corpus: CorpusPaths, outcome: ExtractOutcome, failed: dict[str, SltError], notes: list[str]
) -> Result:
    kept = outcome.done + outcome.skipped
    code = 0 if not failed else 4 if kept else max(error.exit_code for error in failed.values())
    lines = [_line(record) for record in outcome.done]
    lines.append(
        f"{corpus.root}: {len(outcome.done)} extracted, {len(outcome.skipped)} already there, "
        f"{len(failed)} failed"
    )
    warnings = [
        f"{r['video_id']}: damaged video: {r['damage'].get('summary', '')}"
        for r in kept
        if r.get("status") == "damaged"
    ]
    warnings += [
        f"{r['video_id']}: {r['people']['most']} people in the picture; choose one with --signer"
        for r in kept
        if (r.get("people") or {}).get("usual", 0) > 1
    ]
    return Result(
        "extract", "ok" if not failed else "partial" if kept else "failed", code,
        "\n".join(lines), outputs=[corpus.root],
        counts={
            "extracted": len(outcome.done), "skipped": len(outcome.skipped), "failed": len(failed),
        },
        warnings=warnings,
        errors=list(failed.values()),
        facts={
            "clips": kept, "notes": notes,
            "estimators": sorted({str(r["estimator"]["name"]) for r in kept}),
        },
    )  # fmt: skip


def _line(record: Record) -> str:
    hits = "  ".join(f"{name} {share:.0%}" for name, share in record["coverage"].items())
    speed = f"  {record['frames_per_s']} frames/s" if "frames_per_s" in record else ""
    return (
        f"{record['video_id']}: {record['frames']['keypoints']} frames  {hits}{speed}  "
        f"{record['estimator']['name']}"
    )


def extract_many(
    tasks: Sequence[Task],
    corpus: CorpusPaths,
    options: ExtractOptions,
    *,
    workers: int,
    report: Report,
    overwrite: bool = False,
    resume: bool = True,
    limit: int | None = None,
    manifest: Path | None = None,
    should_stop: Callable[[], int | None] = lambda: None,
) -> ExtractOutcome:
    """Extract clips in parallel; a bad one costs one clip, not the run.

    Each finished clip is recorded in the manifest at once. Raises `UsageError` like `plan_clips`,
    `OutOfResources` when the disk is full, and `Interrupted` when `should_stop` returns a signal
    number: what was finished stays.
    """
    plan = plan_clips(tasks, corpus, options, overwrite=overwrite, resume=resume)
    if there := len(plan.finished) + len(plan.undrawn):
        report("note", text=f"already there: {there} of {len(tasks)} clips")
    with staging_dir(corpus.root, "clips") as stage:
        place = Place(corpus, stage)
        run = _Run(plan, place, options, manifest or corpus.manifest, report)
        crew = Crew(workers, watch=run.watch)
        crew.submit(*_jobs(plan, place, options, overwrite, limit))
        with closing(crew.answers(should_stop)) as answers:
            for video_id, answer in answers:
                run.hear(crew, video_id, answer)
    number = should_stop()
    if number is not None and run.settled < run.total:
        raise Interrupted(
            f"stopped after {run.settled} of {run.total} clips, which are complete",
            signal_number=number, hint="run the same command again: it goes on from there",
        )  # fmt: skip
    run.outcome.notes += crew.notes
    return run.outcome


def _jobs(
    plan: ExtractPlan, place: Place, options: ExtractOptions, overwrite: bool, limit: int | None
) -> list[Job]:
    """One job per video, whatever the number of its clips; landmark files need no decoding."""
    jobs: list[Job] = []
    videos: dict[Path, list[ClipSpan]] = defaultdict(list)
    for task in plan.todo:
        if task.source.kind == "landmarks":
            job = ImportJob(
                path=task.source.path, video_ids=(task.clip.video_id,), place=place,
                options=options, overwrite=overwrite, limit=limit,
            )  # fmt: skip
            jobs.append(job)
        else:
            videos[task.source.path].append(task.clip)
    jobs += [VideoJob.of(path, clips, place, options) for path, clips in videos.items()]
    for task, record in plan.undrawn:
        jobs.append(
            DrawJob(
                path=task.source.path, video_ids=(task.clip.video_id,), place=place,
                options=options, record=record,
            )
        )  # fmt: skip
    return jobs


class _Run:
    """What the answers of the workers come to."""

    def __init__(
        self, plan: ExtractPlan, place: Place, options: ExtractOptions, manifest: Path,
        report: Report,
    ) -> None:  # fmt: skip
        self.outcome = ExtractOutcome(skipped=list(plan.finished))
        self.settled = 0
        self._place, self._options = place, options
        self._manifest, self._report = manifest, report
        self._open = {task.clip.video_id for task in plan.todo}
        self._drawn = {task.clip.video_id for task, _ in plan.undrawn}
        self._pieces: dict[str, dict[int, PieceDone]] = defaultdict(dict)
        self.total = len(self._open) + len(self._drawn)
        if self.total:
            report("extract", done=0, total=self.total)

    def watch(self, video_id: str, frames: int) -> None:
        self._report("extract", done=self.settled, total=self.total, clip=video_id, frames=frames)

    def hear(self, crew: Crew, video_id: str, answer: Answer) -> None:
        if isinstance(answer, OutOfResources):
            raise answer
        if isinstance(answer, PieceDone):
            self._piece(crew, video_id, answer)
            return
        if video_id in self.outcome.failed:
            return  # another piece of a clip that has failed already
        self._settle(video_id, answer)
        if isinstance(answer, SltError):
            crew.forget(video_id)
        self.settled += 1
        self.total = max(self.total, self.settled)
        status = "failed" if isinstance(answer, SltError) else answer["status"]
        self._report("extract", done=self.settled, total=self.total, clip=video_id, status=status)

    def _piece(self, crew: Crew, video_id: str, answer: PieceDone) -> None:
        pieces = self._pieces[video_id]
        pieces[answer.number] = answer
        if len(pieces) == answer.total and video_id not in self.outcome.failed:
            worked_s = sum(piece.elapsed_s for piece in pieces.values())
            whole = replace(answer, elapsed_s=worked_s)
            crew.next(CommitJob.of(whole, self._place, self._options))
            del self._pieces[video_id]

    def _settle(self, video_id: str, answer: dict[str, Any] | SltError) -> None:
        if isinstance(answer, SltError):
            self.outcome.failed[video_id] = answer
            if not self._place.corpus.keypoints(video_id).exists():
                # else the older clip's record holds
                failure = {"video_id": video_id, "status": "failed", "error": answer.as_dict()}
                append_record(self._manifest, failure)
        elif video_id in self._drawn or answer.get("status") == "skipped":
            self.outcome.skipped.append(answer)
        else:
            append_record(self._manifest, answer)
            self.outcome.done.append(answer)
