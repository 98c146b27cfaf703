"""The repaired copy of a table: what changes, and that nothing else does."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus.repairs import fix_table, rewrite_line, split_line
from slt_cli.corpus.tables import read_table
from slt_cli.errors import InputError, UsageError

HEADER = "id;text;video;playlist;start;end;duration;split;prev_delta;post_delta"
ROWS = [
    HEADER,
    'v_0;"él dijo ""sí""";v;p;1.0;2.50;9.698;[(\'x\', 1.0, 2.5)];;7.119.999.999.999.970',
    "",
    "v_1;hola;v;p;9.620;12.0;2.3800000000000008;[('x', 9.62, 12.0)];7.119.999.999.999.970;",
    "v_2;sin tiempo;;;;;;;;",
    "w_0; dos ;w;p;16.532.999.999.999.900;168.18;28.5;[('x', 165.32999999999998, 168.18)];;5.5.5",
]


def written(folder: Path, lines: list[str], end: str = "\r\n", bom: bool = False) -> Path:
    path = folder / "meta.csv"
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + end.join([*lines, ""]).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [False, True])
def test_only_wrong_cells_change(tmp_path: Path, end: str, bom: bool) -> None:
    fixed = fix_table(written(tmp_path, ROWS, end, bom), tmp_path / "out" / "fixed.csv")
    assert fixed.path.read_bytes().decode().split(end) == [
        HEADER,
        'v_0;"él dijo ""sí""";v;p;1.0;2.50;1.5;[(\'x\', 1.0, 2.5)];;7.12',
        "",
        "v_1;hola;v;p;9.620;12.0;2.3800000000000008;[('x', 9.62, 12.0)];7.12;",
        "w_0; dos ;w;p;165.33;168.18;2.85;[('x', 165.32999999999998, 168.18)];;5.5.5",
        "",
    ]
    assert fixed.counts() == {"duration": 2, "gap-from-neighbour": 2, "time-from-pieces": 1}
    assert bool(fixed.notes) == bom
    assert [row.line for row in fixed.segments.unresolved] == [5]


def test_every_change_is_listed_with_its_evidence(tmp_path: Path) -> None:
    fixed = fix_table(written(tmp_path, ROWS), tmp_path / "fixed.csv")
    records = [json.loads(line) for line in fixed.repairs_path.read_text().splitlines()]
    assert fixed.repairs_path.name == "fixed.csv.repairs.jsonl"
    assert records[0] == {
        "rule": "duration", "line": 2, "id": "v_0", "column": "duration",
        "before": "9.698", "after": "1.5", "evidence": "end minus start",
    }  # fmt: skip
    before = {(r.line, c): r.cells[c] for r in read_table(tmp_path / "meta.csv").rows
              for c in r.cells}  # fmt: skip
    assert all(before[r["line"], r["column"]] == r["before"] != r["after"] for r in records)
    assert len(records) == 5


def test_a_repaired_table_needs_no_repair(tmp_path: Path) -> None:
    once = fix_table(written(tmp_path, ROWS), tmp_path / "once.csv")
    twice = fix_table(once.path, tmp_path / "twice.csv")
    assert twice.repairs == ()
    assert twice.path.read_bytes() == once.path.read_bytes()


def test_texts_are_composed_and_quotation_marks_stay(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", 'mamá; "papá"')
    quoted = '"' + text.replace('"', '""') + '"'
    path = written(tmp_path, ["id;text;note", f"a;{quoted};x", f"b;{text[:5]};x"])
    fixed = fix_table(path, tmp_path / "fixed.csv")
    assert fixed.path.read_bytes().decode().split("\r\n")[1:3] == [
        'a;"mamá; ""papá""";x', "b;mamá;x",
    ]  # fmt: skip
    assert [(r.rule, r.column) for r in fixed.repairs] == [("nfc", "text"), ("nfc", "text")]


def test_ids_stay_even_when_they_repeat(tmp_path: Path) -> None:
    path = written(tmp_path, ["id;text", "a;x", "a;y"])
    assert fix_table(path, tmp_path / "fixed.csv").path.read_bytes() == path.read_bytes()


def test_other_delimiters_stay(tmp_path: Path) -> None:
    path = written(tmp_path, ["id,text,video,start,end,duration", 'a,"x, y",v,1,2,7'], "\n")
    fixed = fix_table(path, tmp_path / "fixed.csv")
    assert fixed.path.read_text().splitlines()[1] == 'a,"x, y",v,1,2,1'


def test_the_source_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, ROWS)
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "hard.csv").hardlink_to(path)
    monkeypatch.chdir(tmp_path)
    for out in (
        path,
        Path("meta.csv"),
        Path("link.csv"),
        Path("hard.csv"),
        Path("./x/../meta.csv"),
    ):
        with pytest.raises(UsageError, match="replace its source"):
            fix_table(path, out)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hard.csv", "link.csv", "meta.csv"]


def test_nothing_is_written_for_an_unreadable_table(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fix_table(written(tmp_path, ["id;text", 'a;"x', "b;y"]), tmp_path / "fixed.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["meta.csv"]


plain = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\0"))
styles = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


@given(st.lists(plain, min_size=1, max_size=6), styles, st.sampled_from(";,\t|"))
def test_cells_are_those_of_the_csv_reader(cells: list[str], style: int, delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=style, lineterminator="").writerow(cells)
    raw = split_line(out.getvalue(), delimiter)
    assert delimiter.join(raw) == out.getvalue()
    assert [(next(csv.reader([cell], delimiter=delimiter)) or [""])[0] for cell in raw] == cells


@given(st.lists(plain, min_size=2, max_size=6), styles, plain, st.data())
def test_one_cell_is_rewritten_and_the_others_keep_every_character(
    cells: list[str], style: int, value: str, data: st.DataObject
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=";", quoting=style, lineterminator="\r\n").writerow(cells)
    place = data.draw(st.integers(0, len(cells) - 1))
    line = rewrite_line(out.getvalue(), {place: value}, ";")
    assert line.endswith("\r\n")
    before, after = (split_line(text[:-2], ";") for text in (out.getvalue(), line))
    assert before[:place] + before[place + 1 :] == after[:place] + after[place + 1 :]
    expected = [*cells[:place], value, *cells[place + 1 :]]
    assert next(csv.reader([line], delimiter=";", strict=True)) == expected


@pytest.mark.real
def test_clean_rows_of_the_real_table_keep_their_times_by_the_byte(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "lsa_t" / "meta.csv"
    fixed = fix_table(path, tmp_path / "fixed.csv")
    before, after = ([split_line(line.decode().rstrip("\r\n"), ";")
                      for line in file.read_bytes().splitlines(keepends=True)]
                     for file in (path, fixed.path))  # fmt: skip
    assert before[0] == after[0]
    assert fixed.path.read_bytes().count(b"\r\n") == len(after) == 8413
    left_out = {row.line for row in fixed.segments.unresolved}
    kept = [cells for line, cells in enumerate(before, 1) if line not in left_out]
    repaired = {cells[0]: cells for cells in after[1:]}
    clean = 0
    for old in kept[1:]:
        new = repaired[old[0]]
        assert [*old[:4], old[7]] == [*new[:4], new[7]]
        if old[4].count(".") < 2 and old[5].count(".") < 2:
            assert old[4:6] == new[4:6]
            clean += 1
        assert float(new[6]) == pytest.approx(float(new[5]) - float(new[4]), abs=1e-6)
    assert clean == 8178
    assert [row.cells["id"] for row in read_table(fixed.path).rows] == [c[0] for c in kept[1:]]
