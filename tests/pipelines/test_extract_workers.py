from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import SltError
from slt_cli.pipelines.extraction.jobs import Job, Place, Say
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.workers import Answer, Crew, share_of_cores


@dataclass(frozen=True, kw_only=True)
class Strange(Job):
    """Does for each of its clips what the clip's id says."""

    def run(self, say: Say) -> None:
        for name in self.video_ids:
            if name == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if name == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "hang":
                time.sleep(60)
            if name == "bug":
                raise ZeroDivisionError("by zero")
            if name == "noise":
                os.write(1, b"native noise\n")
            if name == "parent":
                say.more([strange(self.options, "child 1"), strange(self.options, "child 2")])
                return
            if name == "slow":
                say.frames(1)
                time.sleep(1.1)
                say.frames(7)
            say.answer(name, {"pid": os.getpid(), "heaps": os.environ.get("MALLOC_ARENA_MAX")})

    def retry(self, settled: object) -> Job | None:
        left = [name for name in self.video_ids if name not in settled][1:]  # type: ignore[operator]
        return strange(self.options, *left) if left else None


def strange(options: ExtractOptions, *names: str) -> Strange:
    place = Place(CorpusPaths.from_root(Path("nowhere")), Path("nowhere"))
    return Strange(
        path=Path("a.mp4"), video_ids=names, place=place, options=options, seconds=0.0
    )  # fmt: skip


def run(crew: Crew, *jobs: Job) -> list[tuple[str, Answer]]:
    crew.submit(*jobs)
    return list(crew.answers(lambda: None))


@pytest.fixture
def options(tmp_path: Path) -> ExtractOptions:
    return ExtractOptions(log_path=tmp_path / "log")


def test_crash_hang_and_bug_each_cost_one_job(
    options: ExtractOptions, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["crash", "killed", "hang", "bug", "noise", "fine"]
    jobs = [strange(options, name) for name in names]
    answers = dict(run(Crew(2, grace_s=6.0), *jobs))
    assert set(answers) == set(names)
    messages = {k: v.message for k, v in answers.items() if isinstance(v, SltError)}
    assert "SIGSEGV" in messages.pop("crash")
    assert "memory" in messages.pop("killed")
    assert "too long" in messages.pop("hang")
    assert messages.pop("bug") == "ZeroDivisionError: by zero"
    assert not messages
    assert capfd.readouterr() == ("", "")
    assert options.log_path is not None
    assert b"native noise" in options.log_path.read_bytes()


def test_a_worker_has_one_heap_unless_the_user_chose_otherwise(
    options: ExtractOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    ((_, answer),) = run(Crew(1), strange(options, "fine"))
    assert isinstance(answer, dict)
    assert answer["heaps"] == "1"
    assert "MALLOC_ARENA_MAX" not in os.environ
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    ((_, answer),) = run(Crew(1), strange(options, "fine"))
    assert isinstance(answer, dict)
    assert answer["heaps"] == "4"


def test_clips_around_a_crash_in_one_video_are_kept(options: ExtractOptions) -> None:
    job = strange(options, "before", "crash", "behind", "last")
    answers = run(Crew(1), job)
    assert [name for name, _ in answers] == ["before", "crash", "behind", "last"]
    assert [name for name, answer in answers if isinstance(answer, SltError)] == ["crash"]


def test_jobs_that_a_job_calls_for_come_next_and_in_order(options: ExtractOptions) -> None:
    answers = run(Crew(1), strange(options, "parent"), strange(options, "afterwards"))
    assert [name for name, _ in answers] == ["child 1", "child 2", "afterwards"]


def test_forgotten_clips_are_not_worked_on(options: ExtractOptions) -> None:
    crew = Crew(1)
    crew.submit(*(strange(options, name) for name in ("a", "b", "b", "c")))
    crew.forget("b")
    assert [name for name, _ in crew.answers(lambda: None)] == ["a", "c"]


def test_frames_of_a_long_clip_are_told_while_it_runs(options: ExtractOptions) -> None:
    seen: list[tuple[str, int]] = []
    crew = Crew(1, watch=lambda name, frames: seen.append((name, frames)))
    assert [name for name, _ in run(crew, strange(options, "slow"))] == ["slow"]
    assert seen == [("slow", 7)]  # the first frame came within the first second


def test_processes_end_with_a_stop(options: ExtractOptions) -> None:
    crew = Crew(2)
    crew.submit(strange(options, "fine"), strange(options, "hang"))
    stop: list[int] = []
    for name, answer in crew.answers(lambda: stop[0] if stop else None):
        assert name == "fine"
        assert isinstance(answer, dict)
        stop.append(signal.SIGTERM)
        pid = answer["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(("cores", "workers"), [(8, 1), (8, 2), (7, 3), (2, 2), (2, 5)])
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(10, 10 + cores)))
    shares = [share_of_cores(number, workers) for number in range(workers)]
    assert set().union(*shares) == set(range(10, 10 + cores))
    if workers <= cores:
        assert sum(map(len, shares)) == cores  # disjoint
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    else:
        assert all(len(share) == cores for share in shares)
