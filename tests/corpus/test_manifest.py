from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slt_cli.corpus import manifest
from slt_cli.corpus.manifest import append_record, compact_manifest, read_manifest
from slt_cli.corpus.paths import CorpusPaths


def numbers(path: Path) -> dict[str, Any]:
    return {video_id: record.get("n") for video_id, record in read_manifest(path).items()}


def write_lines(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def test_last_record_of_a_clip_wins(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    for record in ({"video_id": "a", "n": 1}, {"video_id": "b", "n": 2}, {"video_id": "a", "n": 3}):
        append_record(path, record)
    assert numbers(path) == {"a": 3, "b": 2}
    assert len(path.read_text().splitlines()) == 3
    compact_manifest(path)
    assert len(path.read_text().splitlines()) == 2
    assert numbers(path) == {"a": 3, "b": 2}


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    append_record(path, {"video_id": "a", "texto": "mañana"})
    with path.open("ab") as handle:
        handle.write(b'[1]\n{"other": 1}\n{"video_id": 7}\n{"video_id": "b", "n"')
    append_record(path, {"video_id": "c"})
    assert set(read_manifest(path)) == {"a", "c"}
    assert read_manifest(tmp_path / "absent.jsonl") == {}


def test_a_record_is_stamped_and_otherwise_as_given(tmp_path: Path) -> None:
    path, record = tmp_path / "metadata.jsonl", {"video_id": "a", "n": [1, {"x": None}]}
    append_record(path, record)
    stored = read_manifest(path)["a"]
    assert stored.pop("at").endswith("+00:00")
    assert stored == record == {"video_id": "a", "n": [1, {"x": None}]}


def test_jobs_write_files_of_their_own_that_are_read_as_one(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(tmp_path)
    for part in range(3):
        for n in range(part, 9, 3):
            append_record(corpus.manifest_for((part, 3)), {"video_id": f"v{n}", "n": n})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"metadata-0000{part}-of-00003.jsonl" for part in range(3)
    ]
    assert numbers(corpus.manifest) == {f"v{n}": n for n in range(9)}


@pytest.mark.parametrize("first", [None, (0, 2), (1, 2)])
@pytest.mark.parametrize("second", [None, (0, 2), (1, 2)])
def test_a_clip_extracted_again_has_its_newer_record_whoever_wrote_it(
    tmp_path: Path, first: tuple[int, int] | None, second: tuple[int, int] | None
) -> None:
    corpus = CorpusPaths.from_root(tmp_path)
    append_record(corpus.manifest_for(first), {"video_id": "a", "n": 1})
    append_record(corpus.manifest_for(second), {"video_id": "a", "n": 2})
    assert numbers(corpus.manifest) == {"a": 2}


def test_records_of_older_versions_hold_until_a_newer_one_is_written(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(tmp_path)
    write_lines(
        corpus.manifest,
        {"video_id": "a", "n": 1}, {"video_id": "b", "n": 1}, {"video_id": "b", "n": 2},
    )  # fmt: skip
    assert numbers(corpus.manifest) == {"a": 1, "b": 2}
    append_record(corpus.manifest_for((0, 2)), {"video_id": "a", "n": 3})
    assert numbers(corpus.manifest) == {"a": 3, "b": 2}


def test_of_records_of_one_moment_the_later_line_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metadata.jsonl"
    moment = manifest.datetime(2026, 1, 1, tzinfo=manifest.UTC)

    class Clock:
        @staticmethod
        def now(zone: object) -> Any:
            return moment

    monkeypatch.setattr(manifest, "datetime", Clock)
    append_record(path, {"video_id": "a", "n": 1})
    append_record(path, {"video_id": "a", "n": 2})
    assert numbers(path) == {"a": 2}


def test_two_corpora_become_one_by_copying_their_files(tmp_path: Path) -> None:
    first, second = (CorpusPaths.from_root(tmp_path / name) for name in ("first", "second"))
    append_record(first.manifest, {"video_id": "a", "n": 1})
    append_record(first.manifest_for((1, 2)), {"video_id": "b", "n": 2})
    append_record(second.manifest, {"video_id": "c", "n": 3})
    append_record(second.manifest, {"video_id": "b", "n": 4})
    second.manifest.rename(first.manifest.with_stem("metadata-b"))
    assert numbers(first.manifest) == {"a": 1, "b": 4, "c": 3}


def test_files_of_other_names_are_not_the_manifest(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(tmp_path, manifest=tmp_path / "list[1].jsonl")
    append_record(corpus.manifest, {"video_id": "a"})
    append_record(corpus.manifest_for((0, 1)), {"video_id": "b"})
    write_lines(tmp_path / "metadata-old.jsonl", {"video_id": "c"})
    write_lines(tmp_path / "list[1]_old.jsonl", {"video_id": "d"})
    assert set(read_manifest(corpus.manifest)) == {"a", "b"}
