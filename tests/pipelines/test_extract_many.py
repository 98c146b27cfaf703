from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, Interrupted, OutOfResources, UsageError
from slt_cli.pipelines.extract import extract_many
from slt_cli.pipelines.extraction.clip import extract_clip
from slt_cli.pipelines.extraction.inputs import Source
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.pipelines.extraction.plan import plan_clips
from slt_cli.pipelines.extraction.tasks import Task
from slt_cli.pipelines.extraction.workers import Crew
from slt_cli.pipelines.result import silent
from tests.pipelines.signing import write_signing

OPTIONS = ExtractOptions(estimator="synthetic", crop_size=32)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return CorpusPaths.from_root(tmp_path / "corpus")


def whole(path: Path) -> Task:
    return Task(Source(path.stem, path), ClipSpan(path.stem))


def videos(folder: Path, *names: str) -> list[Task]:
    return [whole(write_signing(folder / f"{name}.mp4", frames=4)) for name in names]


def test_bad_clip_costs_one_clip_and_good_ones_are_done_once(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    named = videos(tmp_path, "a", "b")
    (tmp_path / "bad.mp4").write_text("<html>")
    named.append(whole(tmp_path / "bad.mp4"))
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
    assert not list(corpus.root.glob(".slt-*"))

    again = extract_many(named[:2], corpus, OPTIONS, workers=1, report=silent)
    assert again.done == []
    assert [record["video_id"] for record in again.skipped] == ["a", "b"]


def extracted(tmp_path: Path, corpus: CorpusPaths) -> list[Task]:
    from slt_cli.corpus.manifest import append_record

    named = videos(tmp_path, "a")
    append_record(corpus.manifest, extract_clip(named[0].source.path, corpus, "a", OPTIONS))
    return named


def todo(
    named: list[Task], corpus: CorpusPaths, options: ExtractOptions = OPTIONS,
    overwrite: bool = False, resume: bool = True,
) -> list[str]:  # fmt: skip
    plan = plan_clips(named, corpus, options, overwrite=overwrite, resume=resume)
    return [task.clip.video_id for task in plan.todo]


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
    write_signing(named[0].source.path, frames=5)
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
    assert not list(corpus.root.glob(".slt-*"))
    assert todo(named, corpus) == ["b", "c"]


def test_full_disk_stops_the_run(
    tmp_path: Path, corpus: CorpusPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = videos(tmp_path, "a", "b")

    def full(*_: object) -> object:
        yield "a", OutOfResources("no room")

    monkeypatch.setattr(Crew, "answers", full)
    with pytest.raises(OutOfResources):
        extract_many(named, corpus, OPTIONS, workers=1, report=silent)
    assert read_manifest(corpus.manifest) == {}


def test_overlay_is_drawn_when_asked(tmp_path: Path, corpus: CorpusPaths) -> None:
    options = replace(OPTIONS, overlay=tmp_path / "drawn")
    outcome = extract_many(videos(tmp_path, "a"), corpus, options, workers=1, report=silent)
    assert not outcome.failed
    assert {p.name for p in (tmp_path / "drawn").iterdir()} == {"a.mp4", "a.png"}
