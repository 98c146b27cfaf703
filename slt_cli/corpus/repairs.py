"""Write a repaired copy of a table: only what is proven wrong changes, not one other byte."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slt_cli.corpus.segments import (
    Repair,
    SegmentTable,
    decimal_text,
    gap_s,
    neighbours,
    number,
    same_digits,
    segments_of,
)
from slt_cli.corpus.tables import Table, lines_of, read_table, read_text
from slt_cli.errors import UsageError
from slt_cli.storage.atomic import write_text

_SAME_S = 1e-6


@dataclass(frozen=True)
class FixedTable:
    """What `fix_table` wrote: the copy, the list of repairs, and what was left out of the copy."""

    path: Path
    repairs_path: Path
    repairs: tuple[Repair, ...]
    segments: SegmentTable
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Repaired cells by rule."""
        return dict(sorted(Counter(repair.rule for repair in self.repairs).items()))


def repairs_file(out: Path) -> Path:
    """Where the repairs of the copy `out` are listed."""
    return out.with_name(out.name + ".repairs.jsonl")


def fix_table(path: Path, out: Path, columns: str | None = None) -> FixedTable:
    """Write the usable rows of `path` to `out` and every changed cell to `OUT.repairs.jsonl`.

    Columns, their order, the delimiter, quotation marks and line ends stay; a byte-order mark goes.
    Start and end come from the pieces of a clip where the cell is unreadable, `duration` is end
    minus start, unreadable distances to the neighbours are computed where the digits confirm it,
    and texts become NFC. Rows without a usable time are left out. Raises `UsageError` when `out`
    is the table itself, `InputError` when the table cannot be read.
    """
    refuse_source(path, out)
    table = read_table(path, columns)
    segments = segments_of(table)
    repairs = tuple(sorted(find_repairs(table, segments), key=lambda r: (r.line, r.column)))
    notes = ["the byte-order mark is gone"] if path.read_bytes().startswith(b"\xef\xbb\xbf") else []
    lines = [json.dumps(_record(repair), ensure_ascii=False) for repair in repairs]
    write_text(repairs_file(out), "".join(line + "\n" for line in lines))
    write_text(out, _repaired_text(table, segments, repairs))
    return FixedTable(out, repairs_file(out), repairs, segments, tuple(notes))


def _record(repair: Repair) -> dict[str, object]:
    return {
        "rule": repair.rule, "line": repair.line, "id": repair.clip_id, "column": repair.column,
        "before": repair.before, "after": repair.after, "evidence": repair.evidence,
    }  # fmt: skip


def refuse_source(path: Path, out: Path) -> None:
    """Raise `UsageError` when `out` is the file `path`, under whatever name."""
    if out.resolve() == path.resolve() or (out.exists() and out.samefile(path)):
        raise UsageError(
            "the repaired table would replace its source", where=str(out),
            hint=f"choose another file: --fix {path.stem}.fixed{path.suffix}",
        )  # fmt: skip


def find_repairs(table: Table, segments: SegmentTable) -> Iterator[Repair]:
    """Every cell of the usable rows that is proven wrong, with the evidence."""
    yield from segments.repairs
    yield from _duration_repairs(table, segments)
    yield from _gap_repairs(table, segments)
    yield from _spelling_repairs(table, segments)


def _duration_repairs(table: Table, segments: SegmentTable) -> Iterator[Repair]:
    column = table.find("duration")
    cells = {row.line: row.cells for row in table.rows}
    for segment in segments.segments if column else ():
        if column is None or segment.duration_s is None:
            continue
        before = cells[segment.line][column]
        written = number(before)
        if written is None or abs(written - segment.duration_s) > _SAME_S:
            yield Repair(
                segment.line, segment.clip_id, column, "duration", before,
                decimal_text(segment.duration_s), "end minus start",
            )  # fmt: skip


def _gap_repairs(table: Table, segments: SegmentTable) -> Iterator[Repair]:
    """Unreadable distances to a neighbour whose digits are those of the true distance."""
    before, after = table.find("before"), table.find("after")
    cells = {row.line: row.cells for row in table.rows}
    for first, second in neighbours(segments):
        gap = gap_s(first, second)
        for clip, other, column in ((first, second, after), (second, first, before)):
            cell = cells[clip.line][column] if column else ""
            if column and cell and number(cell) is None and same_digits(cell, gap):
                yield Repair(
                    clip.line, clip.clip_id, column, "gap-from-neighbour", cell,
                    decimal_text(gap), f"distance to line {other.line}; the same digits",
                )  # fmt: skip


def _spelling_repairs(table: Table, segments: SegmentTable) -> Iterator[Repair]:
    """Texts and glosses whose accents are separate characters."""
    left_out = {row.line for row in segments.unresolved}
    roles = [(column, table.columns.index(column)) for role in ("text", "gloss")
             if (column := table.find(role))]  # fmt: skip
    clip_id = table.need("id")
    for row in table.rows:
        for column, place in roles:
            raw = row.raw[place] if place < len(row.raw) else ""
            if row.line not in left_out and not unicodedata.is_normalized("NFC", raw):
                yield Repair(
                    row.line, row.cells[clip_id], column, "nfc", raw,
                    unicodedata.normalize("NFC", raw), "Unicode's composed form, same characters",
                )  # fmt: skip


def _repaired_text(table: Table, segments: SegmentTable, repairs: tuple[Repair, ...]) -> str:
    changes: dict[int, dict[int, str]] = defaultdict(dict)
    for repair in repairs:
        changes[repair.line][table.columns.index(repair.column)] = repair.after
    left_out = {row.line for row in segments.unresolved}
    return "".join(
        rewrite_line(line, changes.get(number_, {}), table.delimiter, table.map.quotes)
        for number_, line in enumerate(lines_of(read_text(table.path)), 1)
        if number_ not in left_out
    )


def rewrite_line(line: str, changes: dict[int, str], delimiter: str, quotes: bool = True) -> str:
    """Replace the cells numbered in `changes`; the others and the line end keep every character."""
    if not changes:
        return line
    body = line.rstrip("\r\n")
    cells = split_line(body, delimiter, quotes)
    cells += [""] * (max(changes) + 1 - len(cells))
    for place, value in changes.items():
        quoted = quotes and (cells[place].startswith('"') or delimiter in value or '"' in value)
        cells[place] = '"' + value.replace('"', '""') + '"' if quoted else value
    return delimiter.join(cells) + line[len(body) :]


def split_line(body: str, delimiter: str, quotes: bool = True) -> list[str]:
    """Cells of one line as they are written, quotation marks included."""
    if not quotes:
        return body.split(delimiter)
    cell = re.compile(rf'"(?:[^"]|"")*"|[^{re.escape(delimiter)}]*')
    cells, place = [], 0
    while True:
        match = cell.match(body, place)
        assert match is not None  # the second alternative matches anything, if only nothing
        cells.append(match[0])
        if match.end() >= len(body):
            return cells
        place = match.end() + 1
