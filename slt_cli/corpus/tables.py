"""The tables of a corpus: texts, glosses and splits, as spreadsheets and scripts leave them."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from itertools import pairwise
from pathlib import Path

from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_text

ID_NAMES = ("video_id", "id")
TEXT_NAMES = ("texto", "text", "label")
GLOSS_NAMES = ("gloss", "glosses")
_DELIMITERS = ";\t,"
_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One row: its line in the file and its cells by column name, in Unicode's NFC."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A table with named columns, read from `path`."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, *names: str) -> str:
        """The first of `names` that the table has, whatever its case.

        Raises `InputError` with the columns that were found and the nearest of them.
        """
        by_name = {column.casefold(): column for column in self.columns}
        for name in names:
            if name in by_name:
                return by_name[name]
        near = get_close_matches(names[0], by_name, n=1, cutoff=0.5)
        raise InputError(
            f"no column {' or '.join(names)}; found {', '.join(self.columns)}"
            + (f"; is {by_name[near[0]]} meant?" if near else ""),
            where=str(self.path), hint=f"rename a column to {names[0]}",
        )  # fmt: skip

    def by_id(self) -> dict[str, Row]:
        """Rows by clip id. Raises `InputError` for empty or repeated ids, with their lines."""
        column = self.column(*ID_NAMES)
        found: dict[str, Row] = {}
        for row in self.rows:
            video_id = row.cells[column]
            if not video_id:
                raise InputError("a row has no id", where=f"{self.path}:{row.line}")
            if video_id in found:
                raise InputError(
                    f"{video_id} appears twice, in lines {found[video_id].line} and {row.line}",
                    where=str(self.path), hint="keep one of the rows",
                )  # fmt: skip
            found[video_id] = row
        return found


def read_table(path: Path) -> Table:
    """Read a table with a header; the delimiter is the header's `;`, tab or comma.

    A byte-order mark, Windows line ends and empty lines are accepted. Raises `InputError` for text
    that is not UTF-8, rows longer than the header, and quotes that swallow the following lines.
    """
    records = _records(path)
    if not records:
        raise InputError("the table is empty", where=str(path))
    (_, header), *body = records
    for line, record in body:
        if len(record) > len(header):
            raise InputError(
                f"{len(record)} cells under {len(header)} columns",
                where=f"{path}:{line}", hint="quote cells that contain the delimiter",
            )  # fmt: skip
    rows = tuple(
        Row(line, dict(zip(header, record + [""] * (len(header) - len(record)), strict=True)))
        for line, record in body
    )
    return Table(path, tuple(header), rows)


def read_meta(path: Path) -> dict[str, str]:
    """Text of every clip, from columns `video_id;texto` (or id, text, label); others may follow.

    Raises `InputError` for missing columns, repeated ids and clips without text.
    """
    table = read_table(path)
    column = table.column(*TEXT_NAMES)
    rows = table.by_id()
    empty = [f"{name} (line {row.line})" for name, row in rows.items() if not row.cells[column]]
    if empty:
        raise InputError(
            f"{len(empty)} clips have no text: {', '.join(empty[:_SHOWN])}",
            where=str(path), hint="fill in their text or remove the rows",
        )  # fmt: skip
    return {video_id: row.cells[column] for video_id, row in rows.items()}


def read_gloss_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Glosses of every clip, from `video_id;gloss` with glosses separated by spaces."""
    table = read_table(path)
    column = table.column(*GLOSS_NAMES)
    return {name: tuple(row.cells[column].split()) for name, row in table.by_id().items()}


def ctc_frames(glosses: Sequence[str]) -> int:
    """Fewest frames that CTC can align with `glosses`: one each, and a blank between equal ones."""
    return len(glosses) + sum(a == b for a, b in pairwise(glosses))


def read_index(path: Path) -> list[str]:
    """Clip ids of a split, one per line, with or without the header `video_id`.

    Raises `InputError` for repeated ids and an empty list.
    """
    lines = [(line, record[0]) for line, record in _records(path) if record[0]]
    if lines and lines[0][1].casefold() in ID_NAMES:
        lines = lines[1:]
    if not lines:
        raise InputError("the index lists no clip", where=str(path))
    first: dict[str, int] = {}
    for line, video_id in lines:
        if video_id in first:
            raise InputError(
                f"{video_id} is listed twice, in lines {first[video_id]} and {line}",
                where=str(path), hint="remove one of them",
            )  # fmt: skip
        first[video_id] = line
    return list(first)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a `;`-separated table, whole or not at all."""
    text = StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_meta(path: Path, texts: Mapping[str, str]) -> None:
    """Write `video_id;texto`."""
    write_table(path, ("video_id", "texto"), texts.items())


def write_gloss_table(path: Path, glosses: Mapping[str, Sequence[str]]) -> None:
    """Write `video_id;gloss;ctc_labels`; labels number the sorted glosses from 1 (0 is blank)."""
    vocabulary = sorted({gloss for sequence in glosses.values() for gloss in sequence})
    number = {gloss: str(i + 1) for i, gloss in enumerate(vocabulary)}
    rows = (
        (video_id, " ".join(sequence), " ".join(number[gloss] for gloss in sequence))
        for video_id, sequence in glosses.items()
    )
    write_table(path, ("video_id", "gloss", "ctc_labels"), rows)


def write_index(path: Path, video_ids: Iterable[str]) -> None:
    """Write a split with its header."""
    write_table(path, ("video_id",), ((video_id,) for video_id in video_ids))


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """Non-empty records with the line each one begins in; cells stripped and in NFC."""
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((mark for mark in _DELIMITERS if mark in header), ";")
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    begin = 1
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise _unclosed(path, begin, str(error)) from error
        if record is None:
            return records
        if reader.line_num > begin:
            raise _unclosed(path, begin, f"its cell runs on to line {reader.line_num}")
        cells = [unicodedata.normalize("NFC", cell).strip() for cell in record]
        if any(cells):
            records.append((begin, cells))
        begin = reader.line_num + 1


def _unclosed(path: Path, line: int, reason: str) -> InputError:
    return InputError(
        f"a quote is opened here and not closed ({reason})",
        where=f"{path}:{line}", hint='close it, or double the quotes inside a quoted cell: ""',
    )  # fmt: skip


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"not UTF-8: byte {data[error.start]:#04x}",
            where=f"{path}:{line}", hint=f"iconv -f latin1 -t utf-8 {path.name} > fixed.csv",
        ) from error  # fmt: skip
