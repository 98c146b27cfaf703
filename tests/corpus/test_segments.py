"""When clips begin and end, and which damaged times may be repaired."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus.segments import (
    Piece,
    decimal_text,
    number,
    parse_pieces,
    read_segments,
    same_digits,
)
from slt_cli.errors import InputError

HEADER = "id;text;video;playlist;start;end;duration;split;prev_delta;post_delta\n"


def lsa_t(folder: Path, *rows: str) -> Path:
    path = folder / "meta.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def spreadsheet(value: float) -> str:
    """What a spreadsheet does to a number whose point it takes for a thousands separator."""
    digits = f"{value:.15g}".replace(".", "").lstrip("0").ljust(17, "0")
    return f"{int(digits):,}".replace(",", ".")


def test_clean_times_are_taken_as_they_are(tmp_path: Path) -> None:
    table = read_segments(lsa_t(tmp_path, "v_0;hola;v;p;3.9;14.64;9;[('hola', 3.9, 14.64)];;0.08"))
    (segment,) = table.segments
    assert (segment.clip_id, segment.video, segment.text) == ("v_0", "v", "hola")
    assert (segment.start_s, segment.end_s, segment.line) == (3.9, 14.64, 2)
    assert segment.pieces == (Piece("hola", 3.9, 14.64),)
    assert table.repairs == ()
    assert table.columns.name == "lsa-t"


def test_damaged_times_come_from_the_pieces_with_evidence(tmp_path: Path) -> None:
    row = (
        "v_26; ¡hola!;v;p;16.532.999.999.999.900;168.18;28.500.000.000.000.200;"
        "[(' ¡hola!', 165.32999999999998, 168.18)];;"
    )
    table = read_segments(lsa_t(tmp_path, row))
    assert (table.segments[0].start_s, table.segments[0].end_s) == (165.33, 168.18)
    (repair,) = table.repairs
    assert (repair.line, repair.clip_id, repair.column) == (2, "v_26", "start")
    assert (repair.before, repair.after) == ("16.532.999.999.999.900", "165.33")
    assert "split" in repair.evidence
    assert "165.32999999999998" in repair.evidence


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("v_0;x;v;p;;;;;;", "no start, no end"),
        ("v_0;x;v;p;4.090.000.000.000.030;5;;;;", "start '4.090.000.000.000.030' is no number"),
        ("v_0;x;v;p;4.090.000.000.000.030;9;;[('x', 7.5, 9.0)];;", "is no number"),
        ("v_0;x;v;p;1,5;9;;[('x', 2.5, 9.0)];;", "is no number"),
        ("v_0;x;v;p;5;5;;;;", "start 5 is not before end 5"),
        ("v_0;x;v;p;-3;5;;;;", "negative"),
        ("v_0;x;;p;1;5;;;;", "no video"),
        ("v_0;x;v;p;nan;inf;;;;", "is no number"),
        ("v_0;x;v;p;٣;5;;;;", "is no number"),
    ],
)
def test_no_time_is_guessed(tmp_path: Path, row: str, reason: str) -> None:
    table = read_segments(lsa_t(tmp_path, row))
    assert table.segments == ()
    assert [row.line for row in table.unresolved] == [2]
    assert reason in table.reasons[2]


def test_missing_cells_are_filled_from_the_pieces(tmp_path: Path) -> None:
    table = read_segments(lsa_t(tmp_path, "v_0;x;v;p;;;;[('x', 7.5, 9.0), ('y', 9.5, 10)];;"))
    assert (table.segments[0].start_s, table.segments[0].end_s) == (7.5, 10.0)
    assert [(r.column, r.before, r.after) for r in table.repairs] == [
        ("start", "", "7.5"), ("end", "", "10"),
    ]  # fmt: skip


def test_a_table_without_times_has_whole_videos(tmp_path: Path) -> None:
    path = tmp_path / "meta.csv"
    path.write_text("video_id;texto\na;hola\n")
    (segment,) = read_segments(path).segments
    assert (segment.video, segment.start_s, segment.end_s, segment.duration_s) == (
        "a", None, None, None,
    )  # fmt: skip


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lines 2 and 3"):
        read_segments(lsa_t(tmp_path, "v;x;v;p;1;2;;;;", "v;y;v;p;3;4;;;;"))


@pytest.mark.parametrize(
    "cell",
    [
        "", "[", "[]x", "{}", "'a'", "[1]", "[('a', 1)]", "[(1, 2, 3)]", "[('a', '1', 2)]",
        "[('a', True, 2)]", "[('a', 1e999, 2)]", "__import__('os')", "[('a', 1, 2)] * 9",
        "(" * 300, "-" * 5000 + "1", "[('" + "a" * 200_000 + "', 1, 2)]",
    ],
)  # fmt: skip
def test_anything_but_a_list_of_pieces_is_none(cell: str) -> None:
    assert parse_pieces(cell) == ()


def test_numbers_are_written_as_numbers_or_not_at_all() -> None:
    assert [number(c) for c in ("1", "0.5", "-2.25", "1e-05")] == [1.0, 0.5, -2.25, 1e-05]
    for cell in ("", " 1", "1 ", "1,5", "1.2.3", ".5", "5.", "+1", "1_000", "0x1", "infinity"):
        assert number(cell) is None


@given(st.floats(0.02, 90_000).map(lambda x: round(x, 3)).filter(lambda x: x >= 0.02))
def test_a_spreadsheets_damage_keeps_the_digits(value: float) -> None:
    assert same_digits(spreadsheet(value), value)


@given(st.floats(1, 9000), st.floats(1.001, 9.99))
def test_other_digits_prove_nothing(value: float, factor: float) -> None:
    assert not same_digits(spreadsheet(value), value * factor)


@pytest.mark.parametrize("cell", ["", "abc", "12a", "1.2e5", "-16.532", "0", "0.0", "9" * 50])
def test_what_is_no_row_of_digits_proves_nothing(cell: str) -> None:
    assert not same_digits(cell, 165.32)


@given(st.integers(-(10**12), 10**12))
def test_short_decimals_are_exact_to_the_microsecond(micros: int) -> None:
    text = decimal_text(micros / 1e6)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
    assert text != "-0"
    assert round(float(text) * 1e6) == micros


@pytest.mark.real
def test_the_real_table_is_resolved_row_by_row(real_data: Path) -> None:
    path = real_data / "lsa_t" / "meta.csv"
    table = read_segments(path)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    clean = re.compile(r"[0-9]+(\.[0-9]+)?")
    broken = {
        line for line, row in enumerate(rows, 2)
        if not (clean.fullmatch(row["start"]) and clean.fullmatch(row["end"]))
    }  # fmt: skip
    assert len(rows) == 8459
    assert len(broken) == 281
    assert len(table.segments) == 8412
    assert {row.line for row in table.unresolved} <= broken
    assert len(table.unresolved) == 47
    assert len({repair.line for repair in table.repairs}) == 234
    for segment in table.segments:
        row = rows[segment.line - 2]
        times = ast.literal_eval(row["split"]) if row["split"] else None
        start, end = (times[0][1], times[-1][2]) if times else (row["start"], row["end"])
        assert segment.start_s == pytest.approx(float(start), abs=1e-6)
        assert segment.end_s == pytest.approx(float(end), abs=1e-6)
