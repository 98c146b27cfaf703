"""Clips that stand out, with hand-computed figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from slt_cli.corpus.outliers import Outlier, by_line, find_outliers
from slt_cli.corpus.segments import segments_of
from slt_cli.corpus.tables import read_table

HEADER = "id;text;video;start;end;split;prev_delta;post_delta\n"
TEXT = "x" * 40


def outliers(
    folder: Path, rows: list[str], factor: float = 2.0, distance_s: float = 5.0
) -> list[Outlier]:
    path = folder / "meta.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    table = read_table(path)
    return find_outliers(table, segments_of(table), factor, distance_s)


def clip(name: str, start: float, end: float, rest: str = ";;", text: str = TEXT) -> str:
    return f"{name};{text};v;{start:g};{end:g};{rest}"


def found(given: list[Outlier]) -> list[tuple[str, str]]:
    return [(outlier.clip_id, outlier.kind) for outlier in given]


def test_duration_is_compared_with_the_median_both_ways(tmp_path: Path) -> None:
    lengths = {"short": 1.9, "half": 2, "usual": 4, "double": 8, "long": 8.1}
    rows = [clip(name, 100 * i, 100 * i + s) for i, (name, s) in enumerate(lengths.items())]
    assert found(outliers(tmp_path, rows, distance_s=1e9)) == [
        ("short", "duration"), ("long", "duration"),
    ]  # fmt: skip
    reason = outliers(tmp_path, rows, distance_s=1e9)[1].reason
    assert "8.10 s" in reason
    assert "median 4.00 s" in reason
    assert found(outliers(tmp_path, rows, factor=3, distance_s=1e9)) == []


def test_distance_is_read_and_where_it_cannot_be_computed(tmp_path: Path) -> None:
    rows = [
        clip("a", 0, 4, ";;"),
        clip("b", 10, 14, ";6.0;4.9"),
        clip("c", 19, 23, ";4.900.000;-7"),
    ]
    given = outliers(tmp_path, rows)
    assert [(o.clip_id, o.reason) for o in given] == [
        ("a", "post_delta 6.00 s"), ("b", "prev_delta 6.00 s"), ("c", "post_delta -7.00 s"),
    ]  # fmt: skip
    assert found(outliers(tmp_path, rows, distance_s=8)) == []


def test_clips_that_overlap_are_named_with_their_neighbour(tmp_path: Path) -> None:
    rows = [clip("late", 10, 14), clip("early", 6, 10.5), clip("touching", 14, 18)]
    (only,) = outliers(tmp_path, rows)
    assert (only.clip_id, only.kind, only.line) == ("late", "overlap", 2)
    assert only.reason == "begins 0.500 s before early (line 3) ends"


def test_clips_of_different_videos_do_not_overlap(tmp_path: Path) -> None:
    assert outliers(tmp_path, [clip("a", 0, 4), clip("b", 1, 5).replace(";v;", ";w;")]) == []


def test_pieces_that_overlap(tmp_path: Path) -> None:
    pieces = "[('x', 0, 2.5), ('y', 2, 4)];;"
    assert found(outliers(tmp_path, [clip("a", 0, 4, pieces)])) == [("a", "pieces")]
    pieces = "[('x', 0, 2.5), ('y', 2.5, 4)];;"
    assert found(outliers(tmp_path, [clip("a", 0, 4, pieces)])) == []


@pytest.mark.parametrize(("characters", "odd"), [(3, True), (4, False), (120, False), (121, True)])
def test_reading_speed(tmp_path: Path, characters: int, odd: bool) -> None:
    given = outliers(tmp_path, [clip("a", 0, 4, text="x" * characters)])
    assert found(given) == ([("a", "speed")] if odd else [])


def test_reasons_of_a_line_are_joined(tmp_path: Path) -> None:
    rows = [clip("a", 0, 4), clip("b", 3, 7, text="x"), clip("c", 7, 11)]
    assert by_line(outliers(tmp_path, rows)) == {
        3: "overlap: begins 1.000 s before a (line 2) ends; speed: 0.2 characters per second"
    }


@pytest.mark.real
def test_the_real_table(real_data: Path) -> None:
    table = read_table(real_data / "lsa_t" / "meta.csv")
    given = find_outliers(table, segments_of(table), 2.0, 5.0)
    counts = Counter(outlier.kind for outlier in given)
    assert counts["pieces"] == 11
    assert counts["overlap"] == 13
    assert counts["duration"] == 1555 + 1494
