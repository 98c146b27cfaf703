"""`metadata.jsonl`: one record per extracted video, appended as clips are finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slt_cli.storage.atomic import append_jsonl, read_jsonl, write_text

Record = dict[str, Any]


def append_record(path: Path, record: Record) -> None:
    """Add a record; it replaces an earlier one of the same `video_id`."""
    append_jsonl(path, record)


def read_manifest(path: Path) -> dict[str, Record]:
    """The last record of every `video_id`; lines that a crash left torn are passed over."""
    records = (r for r in read_jsonl(path) if isinstance(r, dict) and "video_id" in r)
    return {record["video_id"]: record for record in records}


def compact_manifest(path: Path) -> None:
    """Rewrite the file with one line per `video_id`, in the order of their last extraction."""
    latest: dict[str, Record] = {}
    for record in read_jsonl(path):
        if isinstance(record, dict) and "video_id" in record:
            latest.pop(record["video_id"], None)
            latest[record["video_id"]] = record
    lines = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in latest.values())
    write_text(path, "".join(line + "\n" for line in lines))
