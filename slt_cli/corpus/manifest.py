"""`metadata.jsonl`: one record per extracted video, appended as clips are finished.

Jobs that extract parts of a corpus at the same time write a `metadata-<i>-of-<n>.jsonl` each; all
these files together are the manifest. Two corpora of different clips become one by copying the
files of both into one folder. Manifests and shards of the same name get other names before that:
`metadata-b.jsonl`, `crops-b-000000.tar` together with its `crops-b-000000.idx.npz`.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slt_cli.storage.atomic import append_jsonl, read_jsonl, write_text

Record = dict[str, Any]


def append_record(path: Path, record: Record) -> None:
    """Add a record, with the time as `at`; it replaces older ones of the same `video_id`."""
    append_jsonl(path, {**record, "at": datetime.now(UTC).isoformat(timespec="microseconds")})


def read_manifest(path: Path) -> dict[str, Record]:
    """The newest record of every `video_id` in `path` and the files of array jobs beside it.

    Newest is by `at`; a record without it, as older versions wrote, counts as older than any with,
    and of records from the same moment the later line wins. Lines that a crash left torn are passed
    over.
    """
    newest: dict[str, Record] = {}
    for file in manifest_files(path):
        for record in _records(file):
            known = newest.get(record["video_id"])
            if known is None or str(record.get("at", "")) >= str(known.get("at", "")):
                newest[record["video_id"]] = record
    return newest


def manifest_files(path: Path) -> list[Path]:
    """The files of the manifest that are there: those of array jobs by name, then `path`."""
    of_jobs = sorted(path.parent.glob(f"{glob.escape(path.stem)}-*{glob.escape(path.suffix)}"))
    return [*of_jobs, path] if path.is_file() else of_jobs


def compact_manifest(path: Path) -> None:
    """Rewrite one file with one line per `video_id`, in the order of their last extraction."""
    latest: dict[str, Record] = {}
    for record in _records(path):
        latest.pop(record["video_id"], None)
        latest[record["video_id"]] = record
    lines = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in latest.values())
    write_text(path, "".join(line + "\n" for line in lines))


def _records(path: Path) -> Iterator[Record]:
    for record in read_jsonl(path):
        if isinstance(record, dict) and isinstance(record.get("video_id"), str):
            yield record
