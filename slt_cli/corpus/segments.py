"""Clips as parts of long videos: from when to when, and how a spreadsheet's damage is undone."""

from __future__ import annotations

import ast
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from slt_cli.corpus.column_maps import ColumnMap
from slt_cli.corpus.tables import Row, Table, read_table

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?")
_LONGEST_PIECES = 100_000
_DIGIT_NOISE = 1e-9  # of the decimal logarithm: nine digits agree


@dataclass(frozen=True)
class Piece:
    """A part of a clip's text and when it is signed."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Segment:
    """A clip: the whole video when `start_s` and `end_s` are None, else the part between them."""

    clip_id: str
    video: str
    start_s: float | None
    end_s: float | None
    text: str
    glosses: tuple[str, ...]
    line: int
    pieces: tuple[Piece, ...] = ()

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, None where only the video knows it."""
        if self.start_s is None or self.end_s is None:
            return None
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Repair:
    """One cell that was changed: by which rule, from what to what, and on which evidence."""

    line: int
    clip_id: str
    column: str
    rule: str
    before: str
    after: str
    evidence: str


@dataclass(frozen=True)
class SegmentTable:
    """The clips of a table, the rows that name no usable time, and the times that were repaired.

    `reasons` says by line why a row is in `unresolved`.
    """

    path: Path
    columns: ColumnMap
    segments: tuple[Segment, ...]
    unresolved: tuple[Row, ...]
    repairs: tuple[Repair, ...]
    reasons: Mapping[int, str]


def read_segments(path: Path, columns: str | None = None) -> SegmentTable:
    """Read the clips of `path` through the column map `columns` (told from the header if None).

    Raises `InputError` for tables that cannot be read, and empty or repeated ids.
    """
    table = read_table(path, columns)
    table.by_id()
    return segments_of(table)


def segments_of(table: Table) -> SegmentTable:
    """The clips of a table, their times repaired where the pieces inside the clip prove them."""
    segments, unresolved, repairs = [], [], []
    reasons: dict[int, str] = {}
    for row in table.rows:
        times = _Times(table, row)
        if times.problem:
            unresolved.append(row)
            reasons[row.line] = times.problem
            continue
        segments.append(_segment(table, row, times))
        repairs += times.repairs
    return SegmentTable(
        table.path, table.map, tuple(segments), tuple(unresolved), tuple(repairs), reasons
    )


def number(cell: str) -> float | None:
    """The number a cell holds, None unless it is written as one beyond doubt."""
    return float(cell) if _NUMBER.fullmatch(cell) else None


def decimal_text(value: float) -> str:
    """`value` to the microsecond, without trailing zeros."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def same_digits(mangled: str, value: float) -> bool:
    """Whether a cell whose decimal point was lost shows the digits of `value`.

    A spreadsheet that takes the point for a thousands separator writes 165.32999999999998 as
    "16.532.999.999.999.900": the digits survive, the place of the point does not. The two numbers
    then differ by a power of ten, up to the last digits, which are noise of the arithmetic.
    """
    seen = re.sub(r"[.,]", "", mangled)
    if not re.fullmatch(r"-?[0-9]{1,40}", seen) or int(seen) * value <= 0:
        return False
    shift = math.log10(int(seen) / value)
    return abs(shift - round(shift)) < _DIGIT_NOISE


def parse_pieces(cell: str) -> tuple[Piece, ...]:
    """The pieces in a Python literal `[(text, start, end), ...]`; none when it is anything else."""
    if len(cell) > _LONGEST_PIECES:
        return ()
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ()
    if not isinstance(value, list) or not all(_is_piece(item) for item in value):
        return ()
    return tuple(Piece(text, float(start), float(end)) for text, start, end in value)


def neighbours(table: SegmentTable) -> Iterator[tuple[Segment, Segment]]:
    """Clips of one video that follow each other in time."""
    by_video: dict[str, list[Segment]] = defaultdict(list)
    for segment in table.segments:
        if segment.start_s is not None:
            by_video[segment.video].append(segment)
    for clips in by_video.values():
        yield from pairwise(sorted(clips, key=lambda clip: (clip.start_s, clip.line)))


def gap_s(first: Segment, second: Segment) -> float:
    """Seconds between two clips of a video, negative where they overlap."""
    if first.end_s is None or second.start_s is None:
        return 0.0
    return second.start_s - first.end_s


def _is_piece(item: object) -> bool:
    if not isinstance(item, tuple | list) or len(item) != 3 or not isinstance(item[0], str):
        return False
    return all(type(time) in (int, float) and math.isfinite(time) for time in item[1:])


class _Times:
    """When the clip of one row begins and ends, what was repaired, or what the `problem` is."""

    def __init__(self, table: Table, row: Row) -> None:
        self._table, self._row = table, row
        pieces = table.find("pieces")
        self.pieces = parse_pieces(row.cells[pieces]) if pieces else ()
        self.repairs: list[Repair] = []
        self._problems: list[str] = []
        self.start_s = self._time("start", self.pieces[0].start_s if self.pieces else None)
        self.end_s = self._time("end", self.pieces[-1].end_s if self.pieces else None)
        self.problem = ", ".join(self._problems) or self._contradiction()

    def _time(self, role: str, proven: float | None) -> float | None:
        column = self._table.find(role)
        if column is None:
            return None
        cell = self._row.cells[column]
        value = number(cell)
        if value is not None:
            return value
        if proven is None or (cell and not same_digits(cell, proven)):
            self._problems.append(f"{column} {cell!r} is no number" if cell else f"no {column}")
            return None
        place = "first piece starts" if role == "start" else "last piece ends"
        evidence = f"{self._table.find('pieces')}: {place} at {proven!r}"
        self.repairs.append(
            Repair(
                self._row.line, self._row.cells[self._table.need("id")], column,
                "time-from-pieces", cell, decimal_text(proven),
                evidence + ("; the same digits" if cell else ""),
            )
        )  # fmt: skip
        return float(decimal_text(proven))

    def _contradiction(self) -> str:
        video = self._table.find("video")
        if video and not self._row.cells[video]:
            return "no video"
        if self.start_s is not None and self.start_s < 0:
            return f"start {decimal_text(self.start_s)} is negative"
        if self.start_s is None or self.end_s is None or self.start_s < self.end_s:
            return ""
        return f"start {decimal_text(self.start_s)} is not before end {decimal_text(self.end_s)}"


def _segment(table: Table, row: Row, times: _Times) -> Segment:
    def cell(role: str) -> str:
        column = table.find(role)
        return row.cells[column] if column else ""

    clip_id = row.cells[table.need("id")]
    return Segment(
        clip_id, cell("video") or clip_id, times.start_s, times.end_s, cell("text"),
        tuple(cell("gloss").split()), row.line, times.pieces,
    )  # fmt: skip
