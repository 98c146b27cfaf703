"""Extraction in processes of their own: one that dies or hangs costs one clip, not the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, SltError
from slt_cli.pipelines.extraction.clip import Record, extract_clip
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.overlay import overlay_clip
from slt_cli.video.probe import probe_video

GRACE_S = 60.0
"""Time for starting up, and on top of ten times the video's duration."""
_POLL_S = 0.2
_TICK_S = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@dataclass(frozen=True)
class Job:
    """One video to extract; only to draw when it is `extracted` already (its record)."""

    video_id: str
    video: Path
    corpus: CorpusPaths
    options: ExtractOptions
    extracted: Record | None = None


Outcome = tuple[Job, Record | SltError]
Tick = Callable[[int], None]
Task = Callable[[Job, Tick], Record]


def run_job(job: Job, tick: Tick) -> Record:
    """Extract one clip unless it is there, then draw it if that is wanted."""
    record = job.extracted or extract_clip(job.video, job.corpus, job.video_id, job.options, tick)
    drawn = job.options.overlay_files(job.video_id)
    if drawn is not None:
        clip = load_clip_keypoints(job.corpus.keypoints(job.video_id))
        overlay_clip(job.video, clip, *drawn)
    return record


def run_jobs(
    jobs: Sequence[Job],
    workers: int,
    should_stop: Callable[[], int | None],
    *,
    task: Task = run_job,
    grace_s: float = GRACE_S,
    watch: Callable[[Job, int], None] = lambda job, frames: None,
) -> Generator[Outcome, None, None]:
    """Run jobs in `workers` spawned processes and yield each outcome as it arrives.

    A job fails when its process dies or takes longer than ten times the video's duration plus
    `grace_s`. `watch` is told about once a second how many frames of a job are done. When
    `should_stop` returns a signal number no outcome follows and the processes end.
    """
    waiting = list(reversed(jobs))
    crew = [_Worker(task, grace_s, watch) for _ in range(min(workers, len(jobs)))]
    try:
        while waiting or any(worker.job for worker in crew):
            if should_stop() is not None:
                return
            for worker in crew:
                if worker.job is None and waiting:
                    worker.start(waiting.pop())
            busy = {worker.connection: worker for worker in crew if worker.job}
            wait(list(busy), timeout=_POLL_S)
            for worker in busy.values():
                outcome = worker.outcome()
                if outcome is not None:
                    yield outcome
    finally:
        for worker in crew:
            worker.kill()


class _Worker:
    """One process that takes job after job, replaced when it fails."""

    def __init__(self, task: Task, grace_s: float, watch: Callable[[Job, int], None]) -> None:
        self._task = task
        self._watch = watch
        self._grace_s = grace_s
        self._process: BaseProcess | None = None
        self._deadline = 0.0
        self.connection: Connection[Any, Any]
        self.job: Job | None = None

    def start(self, job: Job) -> None:
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs, self._task, job.options.log_path), daemon=True
            )
            self._process.start()
            theirs.close()
        self.job = job
        self._deadline = time.monotonic() + self._grace_s
        self.connection.send(job)

    def outcome(self) -> Outcome | None:
        """What became of the job, or None while it runs."""
        if self.job is None:
            return None
        if not self.connection.poll():
            if time.monotonic() <= self._deadline:
                return None
            return self._failed("took far too long and was stopped", "check that the video plays")
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            return self._failed(*self._death())
        if kind == "duration":
            self._deadline = time.monotonic() + 10 * value + self._grace_s
            return None
        if kind == "frames":
            self._watch(self.job, value)
            return None
        job, self.job = self.job, None
        return job, value

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.connection.close()
            self._process = None

    def _death(self) -> tuple[str, str]:
        assert self._process is not None
        self._process.join(timeout=5)
        code = self._process.exitcode
        if code == -signal.SIGKILL:
            return "its process was killed, perhaps for want of memory", "use fewer --workers"
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return f"the decoder or estimator crashed ({name})", "convert the video and try again"

    def _failed(self, message: str, hint: str) -> Outcome:
        job, self.job = self.job, None
        assert job is not None
        self.kill()
        return job, InputError(message, where=str(job.video), hint=hint)


class _Ticker:
    """Sends the number of frames, once in `_TICK_S`."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._next = time.monotonic() + _TICK_S

    def __call__(self, frames: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _TICK_S
            self._connection.send(("frames", frames))


def _serve(connection: Connection[Any, Any], task: Task, log_path: Path | None) -> None:
    """Body of a worker: signals are the parent's business, and so is the terminal."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _noise_to(log_path)
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(("duration", probe_video(job.video).duration_s or 0.0))
            connection.send(("done", task(job, _Ticker(connection))))
        except SltError as error:
            connection.send(("done", error))
        except Exception as error:
            traceback.print_exc()
            message = f"{type(error).__name__}: {error}"
            connection.send(("done", SltError(message, where=str(job.video))))


def _noise_to(log_path: Path | None) -> None:
    target = os.devnull if log_path is None else os.fspath(log_path)
    log = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for fd in (1, 2):
        os.dup2(log, fd)
    os.close(log)
