"""`slt extract`: videos to a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.manifest import append_record, read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, Interrupted, OutOfResources, SltError, UsageError
from slt_cli.pipelines.extraction.clip import Record
from slt_cli.pipelines.extraction.inputs import find_videos
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.workers import Job, run_jobs
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.extract import ExtractSettings
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import staging_dir
from slt_cli.storage.hashes import sha256_file
from slt_cli.storage.lock import folder_lock
from slt_cli.video.probe import missing_path

Videos = Sequence[tuple[str, Path]]
_SHOWN = 5


@dataclass(frozen=True)
class ExtractPlan:
    """What there is to do: videos to extract, clips that only lack their drawing, finished ones."""

    todo: list[tuple[str, Path]]
    undrawn: list[tuple[str, Path, Record]]
    finished: list[Record]


@dataclass
class ExtractOutcome:
    """What became of every video."""

    done: list[Record] = field(default_factory=list)
    skipped: list[Record] = field(default_factory=list)
    failed: dict[str, SltError] = field(default_factory=dict)


def plan_extract(inputs: Sequence[str], loaded: Loaded) -> Result:
    """What `run_extract` would do: the clips to extract, those already there, those in the way."""
    settings = loaded.settings.extract
    corpus, plan = CorpusPaths.from_root(settings.output), Plan("extract")
    present, absent = _split_inputs(inputs)
    plan.missing += [f"{error.where}: {error.message}" for error in absent.values()]
    if present:
        clips = plan_clips(
            find_videos(present), corpus, _options(settings, corpus),
            overwrite=settings.overwrite, resume=settings.resume,
        )  # fmt: skip
        plan.steps += [f"extract {path} as {video_id}" for video_id, path in clips.todo]
        plan.steps += [f"draw {video_id}: already there" for video_id, _, _ in clips.undrawn]
        plan.steps += [f"skip {record['video_id']}: already there" for record in clips.finished]
    plan.facts["workers"] = settings.workers
    plan.steps.append(f"write into {corpus.root}/ with the estimator {settings.estimator}")
    return plan.as_result(loaded.overrides())


def run_extract(inputs: Sequence[str], settings: Settings, report: Report) -> Result:
    """Extract videos and folders of videos into the corpus `extract.output`.

    A bad input costs one clip: the result then lists it and carries exit code 4, or 3 (2 for
    missing files) when nothing could be extracted. Raises `UsageError` when there is no input or
    a clip is in the way, `Interrupted` after a stop signal.
    """
    from slt_cli.training.signals import stop_request

    options = settings.extract
    corpus = CorpusPaths.from_root(options.output)
    present, absent = _split_inputs(inputs)
    if not present:
        raise next(iter(absent.values()))
    videos = find_videos(present)
    if options.overlay and options.overlay.suffix == ".mp4" and len(videos) > 1:
        raise UsageError(
            f"one overlay file for {len(videos)} videos", where=str(options.overlay),
            hint="give --overlay a folder",
        )  # fmt: skip
    with folder_lock(corpus.root, "the corpus"), stop_request() as should_stop:
        (corpus.root / "logs").mkdir(exist_ok=True)
        outcome = extract_many(
            videos, corpus, _options(options, corpus), workers=options.workers, report=report,
            overwrite=options.overwrite, resume=options.resume, should_stop=should_stop,
        )  # fmt: skip
    return _result(corpus, outcome, outcome.failed | absent)


def _split_inputs(inputs: Sequence[str]) -> tuple[list[str], dict[str, SltError]]:
    """Inputs that exist, and the error of each one that does not."""
    if not inputs:
        raise UsageError("no video given", hint="slt extract video.mp4, or a folder of videos")
    present = [name for name in inputs if Path(name).exists()]
    return present, {name: missing_path(Path(name)) for name in inputs if name not in present}


def _options(settings: ExtractSettings, corpus: CorpusPaths) -> ExtractOptions:
    return ExtractOptions(
        estimator=settings.estimator, crop_size=settings.crop_size, box_scale=settings.box_scale,
        jpeg_quality=settings.jpeg_quality, pose_points=settings.pose_landmarks,
        on_damage=settings.on_damage, overlay=settings.overlay,
        log_path=corpus.root / "logs" / "extract.log",
    )  # fmt: skip


def _result(corpus: CorpusPaths, outcome: ExtractOutcome, failed: dict[str, SltError]) -> Result:
    kept = outcome.done + outcome.skipped
    code = 0 if not failed else 4 if kept else max(error.exit_code for error in failed.values())
    lines = [_line(record) for record in outcome.done]
    lines.append(
        f"{corpus.root}: {len(outcome.done)} extracted, {len(outcome.skipped)} already there, "
        f"{len(failed)} failed"
    )
    return Result(
        "extract", "ok" if not failed else "partial" if kept else "failed", code,
        "\n".join(lines), outputs=[corpus.root],
        counts={
            "extracted": len(outcome.done), "skipped": len(outcome.skipped), "failed": len(failed),
        },
        warnings=[f"{r['video_id']}: damaged video" for r in kept if r.get("status") == "damaged"],
        errors=list(failed.values()),
        facts={"clips": kept, "estimators": sorted({str(r["estimator"]["name"]) for r in kept})},
    )  # fmt: skip


def _line(record: Record) -> str:
    hits = "  ".join(f"{name} {share:.0%}" for name, share in record["coverage"].items())
    return (
        f"{record['video_id']}: {record['frames']['keypoints']} frames  {hits}  "
        f"{record['frames_per_s']} frames/s  {record['estimator']['name']}"
    )


def plan_clips(
    videos: Videos, corpus: CorpusPaths, options: ExtractOptions, *, overwrite: bool, resume: bool
) -> ExtractPlan:
    """Compare the videos (id, path) with the corpus.

    A complete clip of the same file and options is finished; one that a crash left damaged or
    unrecorded is done again. Raises `UsageError` naming clips that were made otherwise, unless
    `overwrite`.
    """
    manifest = read_manifest(corpus.manifest)
    plan, conflicts = ExtractPlan([], [], []), []
    for video_id, video in videos:
        path = corpus.keypoints(video_id)
        if not path.exists():
            plan.todo.append((video_id, video))
            continue
        wanted = {"sha256": sha256_file(video), "settings": options.fingerprint()}
        record = manifest.get(video_id, {})
        recorded, stored = _agrees(record.get("source"), wanted), _stored_from(path, wanted)
        if recorded and stored and resume:
            if all(path.exists() for path in options.overlay_files(video_id) or ()):
                plan.finished.append(record)
            else:
                plan.undrawn.append((video_id, video, record))
        elif recorded or stored or overwrite:
            plan.todo.append((video_id, video))
        else:
            conflicts.append(video_id)
    if conflicts:
        names = ", ".join(conflicts[:_SHOWN]) + (" ..." if len(conflicts) > _SHOWN else "")
        raise UsageError(
            f"{len(conflicts)} clips are there already, made from other files or with other "
            f"settings: {names}",
            where=str(corpus.root), hint="add --overwrite, or choose another corpus with --output",
        )  # fmt: skip
    return plan


def extract_many(
    videos: Videos,
    corpus: CorpusPaths,
    options: ExtractOptions,
    *,
    workers: int,
    report: Report,
    overwrite: bool = False,
    resume: bool = True,
    should_stop: Callable[[], int | None] = lambda: None,
) -> ExtractOutcome:
    """Extract videos (id, path) in parallel; a bad one costs one clip, not the run.

    Each finished clip is recorded in the manifest at once. Raises `UsageError` like `plan_clips`,
    `OutOfResources` when the disk is full, and `Interrupted` when `should_stop` returns a signal
    number: what was finished stays.
    """
    plan = plan_clips(videos, corpus, options, overwrite=overwrite, resume=resume)
    outcome, settled = ExtractOutcome(skipped=list(plan.finished)), 0
    jobs = [Job(video_id, video, corpus, options) for video_id, video in plan.todo]
    jobs += [Job(name, video, corpus, options, record) for name, video, record in plan.undrawn]
    if there := len(plan.finished) + len(plan.undrawn):
        report("note", text=f"already there: {there} of {len(videos)} clips")
    if jobs:
        report("extract", done=0, total=len(jobs))

    def watch(job: Job, frames: int) -> None:
        report("extract", done=settled, total=len(jobs), clip=job.video_id, frames=frames)

    try:
        with closing(run_jobs(jobs, workers, should_stop, watch=watch)) as results:
            for settled, (job, result) in enumerate(results, 1):
                _settle(job, result, outcome)
                status = "failed" if isinstance(result, SltError) else result["status"]
                report("extract", done=settled, total=len(jobs), clip=job.video_id, status=status)
    finally:
        _sweep(corpus)
    number = should_stop()
    if number is not None and settled < len(jobs):
        raise Interrupted(
            f"stopped after {settled} of {len(jobs)} clips, which are complete",
            signal_number=number, hint="run the same command again: it goes on from there",
        )  # fmt: skip
    return outcome


def _settle(job: Job, result: Record | SltError, outcome: ExtractOutcome) -> None:
    if isinstance(result, OutOfResources):
        raise result
    if isinstance(result, SltError):
        outcome.failed[job.video_id] = result
        if not job.corpus.keypoints(job.video_id).exists():  # else the older clip's record holds
            failure = {"video_id": job.video_id, "status": "failed", "error": result.as_dict()}
            append_record(job.corpus.manifest, failure)
        return
    if job.extracted is not None:
        outcome.skipped.append(result)
        return
    append_record(job.corpus.manifest, result)
    outcome.done.append(result)


def _sweep(corpus: CorpusPaths) -> None:
    """Remove what killed workers left: opening a staging folder sweeps those of dead processes."""
    with staging_dir(corpus.root, "sweep"):
        pass


def _stored_from(path: Path, wanted: dict[str, str]) -> bool:
    try:
        return _agrees(load_clip_keypoints(path).source, wanted)
    except InputError:
        return False


def _agrees(source: Any, wanted: dict[str, str]) -> bool:
    return isinstance(source, dict) and all(source.get(k) == v for k, v in wanted.items())
