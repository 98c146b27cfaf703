from __future__ import annotations

from pathlib import Path

from slt_cli.corpus.manifest import append_record, compact_manifest, read_manifest


def test_last_record_of_a_clip_wins(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    for record in ({"video_id": "a", "n": 1}, {"video_id": "b", "n": 2}, {"video_id": "a", "n": 3}):
        append_record(path, record)
    assert read_manifest(path) == {"a": {"video_id": "a", "n": 3}, "b": {"video_id": "b", "n": 2}}
    assert len(path.read_text().splitlines()) == 3
    compact_manifest(path)
    assert len(path.read_text().splitlines()) == 2
    assert read_manifest(path)["a"]["n"] == 3


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    append_record(path, {"video_id": "a", "texto": "mañana"})
    with path.open("ab") as handle:
        handle.write(b'[1]\n{"other": 1}\n{"video_id": "b", "n"')
    append_record(path, {"video_id": "c"})
    assert set(read_manifest(path)) == {"a", "c"}
    assert read_manifest(tmp_path / "absent.jsonl") == {}
