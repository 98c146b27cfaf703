"""The tables of a corpus: texts, glosses and splits, as spreadsheets and scripts leave them."""

from __future__ import annotations

import codecs
import csv
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Literal

from slt_cli.corpus.column_maps import ColumnMap, column_map, named_map
from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_text

ID_NAMES = ("video_id", "id")
_DELIMITERS = ";\t|,"
_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One row: its line in the file and its cells by column name, stripped and in Unicode's NFC.

    `raw` holds the cells as they stand in the file; a row may have fewer of them than the header.
    """

    line: int
    cells: dict[str, str]
    raw: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table with named columns, read from `path`, and what its columns hold."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    map: ColumnMap
    delimiter: str = ";"

    def column(self, *names: str) -> str:
        """The first of `names` that the table has, whatever its case.

        Raises `InputError` with the columns that were found and the nearest of them.
        """
        by_name = {column.casefold(): column for column in self.columns}
        for name in names:
            if name.casefold() in by_name:
                return by_name[name.casefold()]
        near = get_close_matches(names[0].casefold(), by_name, n=1, cutoff=0.5)
        raise InputError(
            f"no column {' or '.join(names)}; found {', '.join(self.columns)}"
            + (f"; is {by_name[near[0]]} meant?" if near else ""),
            where=str(self.path),
            hint=f"rename a column to {names[0]}" if len(self.columns) > 1
            else "separate the columns by ; tab | or ,",
        )  # fmt: skip

    def find(self, role: str) -> str | None:
        """The column that plays `role` (`id`, `text`, `start`, ...), None when there is none."""
        by_name = {column.casefold(): column for column in self.columns}
        found = (by_name.get(name.casefold()) for name in self.map.names(role))
        return next((column for column in found if column is not None), None)

    def need(self, role: str) -> str:
        """The column that plays `role`. Raises `InputError` when there is none."""
        names = self.map.names(role)
        if not names:
            raise InputError(
                f"a table of the kind {self.map.name} has no {role}", where=str(self.path),
                hint="say which column holds it in a map of your own: --columns FILE.toml",
            )  # fmt: skip
        return self.column(*names)

    def by_id(self) -> dict[str, Row]:
        """Rows by clip id. Raises `InputError` for empty or repeated ids, with their lines."""
        column = self.need("id")
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


def read_table(path: Path, columns: str | None = None) -> Table:
    """Read a table with a header, whose delimiter is a `;`, tab, `|` or comma.

    `columns` names a column map; without it the map is told from the header. A byte-order mark,
    Windows line ends and empty lines are accepted. Raises `InputError` for text that is not UTF-8,
    repeated columns, rows longer than the header, and quotes that swallow the following lines.
    """
    text = read_text(path)
    chosen = named_map(columns) if columns else None
    first = _first_line(text)
    wanted = chosen.delimiter if chosen else None
    delimiter = wanted if wanted and wanted in first else _delimiter(text)
    names = [cell.strip(' \t\r\n"') for cell in first.split(delimiter)]
    layout = chosen or column_map(None, names)
    records = _records(path, text, delimiter, layout.quotes)
    if not records:
        raise InputError("the table is empty", where=str(path), hint="its first line names columns")
    (_, raw_header), *body = records
    header = tuple(_clean(name) for name in raw_header)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"column {twice[0]!r} appears twice", where=str(path))
    _check_widths(path, header, body)
    rows = tuple(_row(line, record, header) for line, record in body)
    return Table(path, header, rows, layout, delimiter)


def read_meta(path: Path, columns: str | None = None) -> dict[str, str]:
    """Text of every clip, from columns `video_id;texto` (or id, text, label); others may follow.

    Tables of other corpora are read through a column map: `columns` or the one their header fits.
    Raises `InputError` for missing columns, repeated ids and clips without text.
    """
    table = read_table(path, columns)
    column = table.need("text")
    rows = table.by_id()
    empty = [f"{name} (line {row.line})" for name, row in rows.items() if not row.cells[column]]
    if empty:
        raise InputError(
            f"{len(empty)} clips have no text: {', '.join(empty[:_SHOWN])}",
            where=str(path), hint="fill in their text or remove the rows",
        )  # fmt: skip
    return {video_id: row.cells[column] for video_id, row in rows.items()}


def read_gloss_table(path: Path, columns: str | None = None) -> dict[str, tuple[str, ...]]:
    """Glosses of every clip, from `video_id;gloss` with glosses separated by spaces.

    Tables of other corpora are read through a column map: `columns` or the one their header fits.
    """
    table = read_table(path, columns)
    column = table.need("gloss")
    return {name: tuple(row.cells[column].split()) for name, row in table.by_id().items()}


def ctc_frames(glosses: Sequence[str]) -> int:
    """Fewest frames that CTC can align with `glosses`: one each, and a blank between equal ones."""
    return len(glosses) + sum(a == b for a, b in pairwise(glosses))


def read_index(path: Path) -> list[str]:
    """Clip ids of a split, one per line, with or without the header `video_id`.

    Raises `InputError` for repeated ids and an empty list.
    """
    text = read_text(path)
    records = _records(path, text, _delimiter(text), quotes=True)
    lines = [(line, video_id) for line, record in records if (video_id := _clean(record[0]))]
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


def lines_of(text: str) -> Iterator[str]:
    """Lines with their ends, counted as the csv reader does: U+2028 and the like end no line."""
    return iter(StringIO(text, newline=""))


def read_text(path: Path) -> str:
    """Contents of a UTF-8 file without its byte-order mark, line ends as they are.

    Raises `InputError` for another encoding, with the command that converts it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:2]:
        raise InputError("UTF-16, not UTF-8", where=str(path), hint=_iconv("utf-16", path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start : error.start + 1]
        raise InputError(
            f"not UTF-8: byte {byte[0]:#04x}, which is {byte.decode('latin1')!r} in Latin-1",
            where=f"{path}:{line}", hint=_iconv("latin1", path),
        ) from error  # fmt: skip


def _iconv(encoding: str, path: Path) -> str:
    return f"iconv -f {encoding} -t utf-8 {path.name} > fixed.csv"


def _clean(cell: str) -> str:
    return unicodedata.normalize("NFC", cell).strip()


def _first_line(text: str) -> str:
    return next((line for line in lines_of(text) if line.strip()), "")


def _delimiter(text: str) -> str:
    header = _first_line(text)
    return next((mark for mark in _DELIMITERS if mark in header), ";")


def _row(line: int, record: list[str], header: tuple[str, ...]) -> Row:
    cells = [_clean(cell) for cell in record] + [""] * (len(header) - len(record))
    return Row(line, dict(zip(header, cells, strict=True)), tuple(record))


def _check_widths(path: Path, header: Sequence[str], body: list[tuple[int, list[str]]]) -> None:
    long = [(line, len(record)) for line, record in body if len(record) > len(header)]
    if long:
        line, cells = long[0]
        others = f" (and in {len(long) - 1} more rows)" if len(long) > 1 else ""
        raise InputError(
            f"{cells} cells under {len(header)} columns{others}",
            where=f"{path}:{line}", hint="quote cells that contain the delimiter",
        )  # fmt: skip


def _records(path: Path, text: str, delimiter: str, quotes: bool) -> list[tuple[int, list[str]]]:
    """Records that are not empty, with the line each one begins in; cells as they stand."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader(
        StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True
    )
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
        if any(cell.strip() for cell in record):
            records.append((begin, record))
        begin = reader.line_num + 1


def _unclosed(path: Path, line: int, reason: str) -> InputError:
    return InputError(
        f"a quote is opened here and not closed ({reason})",
        where=f"{path}:{line}", hint='close it, or double the quotes inside a quoted cell: ""',
    )  # fmt: skip
