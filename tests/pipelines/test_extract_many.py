from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, Interrupted, OutOfResources, SltError, UsageError
from slt_cli.pipelines.extract import extract_many, plan_clips
from slt_cli.pipelines.extraction.clip import Record, extract_clip
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.workers import Job, run_jobs
from slt_cli.pipelines.result import silent
from tests.pipelines.signing import write_signing

OPTIONS = ExtractOptions(estimator="synthetic", crop_size=32)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return CorpusPaths.from_root(tmp_path / "corpus")


def videos(folder: Path, *names: str) -> list[tuple[str, Path]]:
    return [(name, write_signing(folder / f"{name}.mp4", frames=4)) for name in names]


def test_bad_clip_costs_one_clip_and_good_ones_are_done_once(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    named = videos(tmp_path, "a", "b")
    (tmp_path / "bad.mp4").write_text("<html>")
    named.append(("bad", tmp_path / "bad.mp4"))
    events = []
    log = tmp_path / "noise.log"

    def report(event: str, **facts: object) -> None:
        events.append((event, facts))

    outcome = extract_many(named, corpus, replace(OPTIONS, log_path=log), workers=2, report=report)
    assert {record["video_id"] for record in outcome.done} == {"a", "b"}
    assert isinstance(outcome.failed["bad"], InputError)
    assert "HTML" in outcome.failed["bad"].message
    assert [facts["done"] for event, facts in events if event == "extract"] == [0, 1, 2, 3]
    manifest = read_manifest(corpus.manifest)
    assert {name: record["status"] for name, record in manifest.items()} == {
        "a": "ok", "b": "ok", "bad": "failed",
    }  # fmt: skip
    assert not corpus.keypoints("bad").exists()
    assert not list(corpus.root.glob(".stage-*"))

    again = extract_many(named[:2], corpus, OPTIONS, workers=1, report=silent)
    assert again.done == []
    assert [record["video_id"] for record in again.skipped] == ["a", "b"]


def extracted(tmp_path: Path, corpus: CorpusPaths) -> list[tuple[str, Path]]:
    from slt_cli.corpus.manifest import append_record

    named = videos(tmp_path, "a")
    append_record(corpus.manifest, extract_clip(named[0][1], corpus, "a", OPTIONS))
    return named


def todo(
    named: list[tuple[str, Path]], corpus: CorpusPaths, options: ExtractOptions = OPTIONS,
    overwrite: bool = False, resume: bool = True,
) -> list[str]:  # fmt: skip
    plan = plan_clips(named, corpus, options, overwrite=overwrite, resume=resume)
    return [video_id for video_id, _ in plan.todo]


def test_equal_clip_is_finished_unless_asked_again(tmp_path: Path, corpus: CorpusPaths) -> None:
    named = extracted(tmp_path, corpus)
    assert todo(named, corpus) == []
    assert todo(named, corpus, replace(OPTIONS, on_damage="fail", log_path=tmp_path)) == []
    assert todo(named, corpus, resume=False) == ["a"]


def test_other_settings_or_another_file_are_refused_without_overwrite(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    named = extracted(tmp_path, corpus)
    other = replace(OPTIONS, crop_size=48)
    with pytest.raises(UsageError, match=r"1 clips are there already.*: a") as caught:
        todo(named, corpus, other)
    assert "--overwrite" in str(caught.value.hint)
    assert todo(named, corpus, other, overwrite=True) == ["a"]
    write_signing(named[0][1], frames=5)
    with pytest.raises(UsageError):
        todo(named, corpus)


def test_what_a_crash_left_is_done_again(tmp_path: Path, corpus: CorpusPaths) -> None:
    named = extracted(tmp_path, corpus)
    path = corpus.keypoints("a")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert todo(named, corpus) == ["a"]
    path.write_bytes(whole)
    corpus.manifest.unlink()
    assert todo(named, corpus) == ["a"]
    path.unlink()
    assert todo(named, corpus) == ["a"]


def test_clip_of_somebody_else_is_never_replaced_unasked(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    named = videos(tmp_path, "a")
    corpus.keypoints_dir.mkdir(parents=True)
    np.save(corpus.keypoints_dir / "a.npy", np.ones((3, 543, 3)))
    with pytest.raises(UsageError, match="already"):
        todo(named, corpus)


def strange(job: Job, tick: Callable[[int], None]) -> Record:
    """A task that does what the id of its clip says."""
    if job.video_id == "slow":
        tick(1)
        time.sleep(1.1)
        tick(7)
    if job.video_id == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job.video_id == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.video_id == "hang":
        time.sleep(60)
    if job.video_id == "bug":
        raise ZeroDivisionError("by zero")
    if job.video_id == "noise":
        os.write(1, b"native noise\n")
    return {"video_id": job.video_id, "pid": os.getpid()}


def test_crash_hang_and_bug_each_cost_one_job(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    video = write_signing(tmp_path / "a.mp4", frames=2)
    log = tmp_path / "log"
    options = replace(OPTIONS, log_path=log)
    names = ["crash", "killed", "hang", "bug", "noise", "fine"]
    jobs = [Job(name, video, CorpusPaths.from_root(tmp_path), options) for name in names]
    results = {
        job.video_id: result
        for job, result in run_jobs(jobs, 2, lambda: None, task=strange, grace_s=4.0)
    }
    assert set(results) == set(names)
    messages = {k: v.message for k, v in results.items() if isinstance(v, SltError)}
    assert "SIGSEGV" in messages.pop("crash")
    assert "memory" in messages.pop("killed")
    assert "too long" in messages.pop("hang")
    assert messages.pop("bug") == "ZeroDivisionError: by zero"
    assert not messages
    assert capfd.readouterr() == ("", "")
    assert b"native noise" in log.read_bytes()


def test_frames_of_a_long_clip_are_told_while_it_runs(tmp_path: Path) -> None:
    video = write_signing(tmp_path / "a.mp4", frames=2)
    options = replace(OPTIONS, log_path=tmp_path / "log")
    jobs = [Job(name, video, CorpusPaths.from_root(tmp_path), options) for name in ("slow", "fast")]
    seen: list[tuple[str, int]] = []

    def watch(job: Job, frames: int) -> None:
        seen.append((job.video_id, frames))

    done = list(run_jobs(jobs, 1, lambda: None, task=strange, watch=watch))
    assert [job.video_id for job, _ in done] == ["slow", "fast"]
    assert seen == [("slow", 7)]  # the first frame came within the first second


def test_stop_ends_the_workers_and_keeps_what_is_finished(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    named = videos(tmp_path, "a", "b", "c")
    finished = []

    def report(event: str, **facts: object) -> None:
        finished.extend([facts] if facts["done"] else [])

    with pytest.raises(Interrupted, match="stopped after 1 of 3") as caught:
        extract_many(
            named, corpus, OPTIONS, workers=1, report=report,
            should_stop=lambda: signal.SIGTERM if finished else None,
        )  # fmt: skip
    assert caught.value.exit_code == 143
    assert set(read_manifest(corpus.manifest)) == {"a"}
    assert corpus.keypoints("a").exists()
    assert not list(corpus.root.glob(".stage-*"))
    assert todo(named, corpus) == ["b", "c"]


def test_full_disk_stops_the_run(
    tmp_path: Path, corpus: CorpusPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slt_cli.pipelines import extract

    named = videos(tmp_path, "a", "b")

    def full(jobs: list[Job], *_: object, **__: object) -> object:
        yield jobs[0], OutOfResources("no room")

    monkeypatch.setattr(extract, "run_jobs", full)
    with pytest.raises(OutOfResources):
        extract_many(named, corpus, OPTIONS, workers=1, report=silent)
    assert read_manifest(corpus.manifest) == {}


def test_overlay_is_drawn_when_asked(tmp_path: Path, corpus: CorpusPaths) -> None:
    options = replace(OPTIONS, overlay=tmp_path / "drawn")
    outcome = extract_many(videos(tmp_path, "a"), corpus, options, workers=1, report=silent)
    assert not outcome.failed
    assert {p.name for p in (tmp_path / "drawn").iterdir()} == {"a.mp4", "a.png"}
