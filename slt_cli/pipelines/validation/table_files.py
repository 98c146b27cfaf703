"""The files that a check of a table leaves: rows put aside, splits, pieces of clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slt_cli.corpus.checked_table import CheckedTable
from slt_cli.corpus.outliers import by_line
from slt_cli.corpus.paths import SPLITS
from slt_cli.corpus.repairs import FixedTable
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.segments import Segment
from slt_cli.corpus.splits import Splits
from slt_cli.corpus.tables import Table, write_index, write_table
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.storage.atomic import write_text


@dataclass(frozen=True)
class TableCheck:
    """What a check found: `checked` is the repaired copy of `source` where one was written."""

    source: CheckedTable
    checked: CheckedTable
    findings: list[Finding]
    fixed: FixedTable | None
    splits: Splits | None


Write = Callable[[Path, TableCheck], None]


def table_files(target: Path, check: CheckSettings) -> dict[Path, Write]:
    """Each file to write besides the repaired copy, and how; none in a plain check."""
    if not (check.fix or check.make_splits or check.emit_split_json or check.output_dir):
        return {}
    folder = check.output_dir or (check.fix or target).parent
    files: dict[Path, Write] = {
        folder / "meta_missing.csv": _write_missing,
        folder / "meta_outliers.csv": _write_outliers,
    }
    for split, ratio in zip(SPLITS, check.split_ratios, strict=True):
        if check.make_splits and ratio > 0:
            files[folder / "index" / f"{split}.csv"] = _write_split
    if check.emit_split_json:
        files[folder / "split_segments.jsonl"] = _write_pieces
    return files


def _write_missing(path: Path, done: TableCheck) -> None:
    """The rows of the source that name no usable time, and why."""
    _write_rows(path, done.source.table, done.source.segments.reasons)


def _write_outliers(path: Path, done: TableCheck) -> None:
    """The rows that stand out, and why."""
    _write_rows(path, done.checked.table, by_line(done.checked.outliers))


def _write_rows(path: Path, table: Table, reasons: Mapping[int, str]) -> None:
    rows = (
        [*(row.cells[column] for column in table.columns), reasons[row.line]]
        for row in table.rows
        if row.line in reasons
    )
    write_table(path, (*table.columns, "reason"), rows)


def _write_split(path: Path, done: TableCheck) -> None:
    if done.splits is not None:
        write_index(path, done.splits.ids[path.stem])


def _write_pieces(path: Path, done: TableCheck) -> None:
    """One JSON line per usable row."""
    records = (_record(segment) for segment in done.checked.segments.segments)
    write_text(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def _record(segment: Segment) -> dict[str, object]:
    """A clip and its pieces; where the row lists none, the clip is its only piece."""
    pieces = [
        {"text": piece.text.strip(), "start_s": piece.start_s, "end_s": piece.end_s}
        for piece in segment.pieces
    ]
    whole = {"text": segment.text, "start_s": segment.start_s, "end_s": segment.end_s}
    return {"video_id": segment.clip_id, "video": segment.video, "pieces": pieces or [whole]}
