"""Jobs in processes of their own: one that dies or hangs costs one clip, not the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError, SltError
from slt_cli.landmarks.estimators import preload
from slt_cli.landmarks.rois import cut_on_one_thread
from slt_cli.pipelines.extraction.jobs import Answer, Job
from slt_cli.pipelines.extraction.options import ExtractOptions

GRACE_S = 60.0
"""Time for starting up, and on top of ten times the video's duration."""
_UNKNOWN_S = 3600.0  # video time granted to a job that cannot tell how long it is
_POLL_S = 0.2
_TICK_S = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

Watch = Callable[[str, int], None]


class Crew:
    """Runs jobs in `workers` spawned processes.

    A job fails when its process dies or takes longer than ten times its video time plus `grace_s`;
    the clips behind the one that failed are tried again. `watch` is told about once a second how
    many frames of a clip's job are done. `notes` collects what jobs found worth telling.
    """

    def __init__(
        self,
        workers: int,
        *,
        grace_s: float = GRACE_S,
        watch: Watch = lambda video_id, frames: None,
    ) -> None:
        self.notes: list[str] = []
        self._queue: deque[Job] = deque()
        self._size = workers
        self._grace_s = grace_s
        self._watch = watch
        self._crew: list[_Worker] = []

    def submit(self, *jobs: Job) -> None:
        """Add jobs behind those that wait."""
        self._queue.extend(jobs)

    def next(self, *jobs: Job) -> None:
        """Add jobs before those that wait, in this order."""
        self._queue.extendleft(reversed(jobs))

    def forget(self, video_id: str) -> None:
        """Drop jobs that only work for a clip that has failed already."""
        self._queue = deque(job for job in self._queue if set(job.video_ids) != {video_id})

    def answers(
        self, should_stop: Callable[[], int | None]
    ) -> Generator[tuple[str, Answer], None, None]:
        """Run until no job is left and yield (clip, answer) as they come.

        When `should_stop` returns a signal number no answer follows and the processes end.
        """
        try:
            while self._queue or any(worker.job for worker in self._crew):
                if should_stop() is not None:
                    return
                self._assign()
                busy = {worker.connection: worker for worker in self._crew if worker.job}
                ready = wait(list(busy), timeout=_POLL_S)
                for connection, worker in busy.items():
                    yield from worker.hear(connection in ready)
        finally:
            for worker in self._crew:
                worker.kill()

    def _assign(self) -> None:
        # A second process may be needed as soon as the first has looked at its video.
        while self._queue and len(self._crew) < min(self._size, len(self._queue) + 1):
            cores = share_of_cores(len(self._crew), self._size)
            self._crew.append(_Worker(self, self._grace_s, self._watch, cores))
            self._crew[-1].spawn(self._queue[0].options)
        for worker in self._crew:
            if worker.job is None and self._queue:
                worker.start(self._queue.popleft())


class _Worker:
    """One process that takes job after job, replaced when it fails."""

    def __init__(self, crew: Crew, grace_s: float, watch: Watch, cores: set[int]) -> None:
        self._crew = crew
        self._watch = watch
        self._grace_s = grace_s
        self._cores = cores
        self._process: BaseProcess | None = None
        self._deadline = 0.0
        self._settled: set[str] = set()
        self.connection: Connection[Any, Any]
        self.job: Job | None = None

    def spawn(self, options: ExtractOptions) -> None:
        """Start the process; it imports what the estimator needs while no job is there."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, options, self._cores), daemon=True
        )
        with _environment("MALLOC_ARENA_MAX", "1"):
            self._process.start()
        theirs.close()

    def start(self, job: Job) -> None:
        if self._process is None or not self._process.is_alive():
            self.spawn(job.options)
        self.job, self._settled = job, set()
        seconds = _UNKNOWN_S if job.seconds is None else job.seconds
        self._deadline = time.monotonic() + self._grace_s + 10 * seconds
        self.connection.send(job)

    def hear(self, ready: bool) -> Iterable[tuple[str, Answer]]:
        """Answers that have come, or the failure of a process that died or is far too slow."""
        if not ready:
            if time.monotonic() > self._deadline:
                yield from self._failed(
                    "took far too long and was stopped", "check that the video plays"
                )
            return
        assert self.job is not None
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            yield from self._failed(*self._death())
            return
        if kind == "frames":
            self._watch(self.job.video_ids[0], value)
        elif kind == "notes":
            self._crew.notes += value
        elif kind == "more":
            self._crew.next(*value)
        elif kind == "answer":
            self._settled.add(value[0])
            yield value
        else:
            job, self.job = self.job, None
            if value is not None:
                yield from ((name, value) for name in job.video_ids if name not in self._settled)

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

    def _failed(self, message: str, hint: str) -> Iterable[tuple[str, Answer]]:
        job, self.job = self.job, None
        assert job is not None
        self.kill()
        error = InputError(message, where=str(job.path), hint=hint)
        again = job.retry(self._settled)
        if again is not None:
            self._crew.next(again)
        retried = set(again.video_ids) if again is not None else set()
        for name in job.video_ids:
            if name not in self._settled | retried:
                yield name, error


class _Line:
    """A job's end of the connection."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._next = time.monotonic() + _TICK_S

    def answer(self, video_id: str, answer: Answer) -> None:
        self._connection.send(("answer", (video_id, answer)))

    def more(self, jobs: list[Job]) -> None:
        self._connection.send(("more", jobs))

    def notes(self, notes: Sequence[str]) -> None:
        self._connection.send(("notes", list(notes)))

    def frames(self, count: int) -> None:
        """Tell the count, about once in `_TICK_S`."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _TICK_S
            self._connection.send(("frames", count))


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Let processes that start meanwhile find `value`, unless the user has chosen another.

    Every estimator starts threads, and glibc gives threads heaps of their own that it does not take
    back: with one heap a worker stays at the size of its first clip.
    """
    chosen = name in os.environ
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if not chosen:
            del os.environ[name]


def share_of_cores(number: int, workers: int) -> set[int]:
    """The cores of worker `number`: an equal share of those that this process may use.

    The estimator starts as many threads as it sees cores; workers that keep out of each other's way
    need 7 % less processor time. With more workers than cores, each may use all.
    """
    cores = sorted(os.sched_getaffinity(0))
    if workers > len(cores):
        return set(cores)
    return set(cores[number * len(cores) // workers : (number + 1) * len(cores) // workers])


def _serve(connection: Connection[Any, Any], options: ExtractOptions, cores: set[int]) -> None:
    """Body of a worker: signals are the parent's business, and so is the terminal."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _noise_to(options.log_path)
    os.sched_setaffinity(0, cores)
    cut_on_one_thread()
    preload(options.estimator)
    while True:
        try:
            job: Job = connection.recv()
        except (EOFError, OSError):
            return
        error: SltError | None = None
        try:
            job.run(_Line(connection))
        except SltError as known:
            error = known
        except Exception as unknown:
            traceback.print_exc()
            error = SltError(f"{type(unknown).__name__}: {unknown}", where=str(job.path))
        connection.send(("done", error))


def _noise_to(log_path: Path | None) -> None:
    target = os.devnull if log_path is None else os.fspath(log_path)
    log = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for fd in (1, 2):
        os.dup2(log, fd)
    os.close(log)
