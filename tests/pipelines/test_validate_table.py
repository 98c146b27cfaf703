"""`slt validate meta.csv` as a whole: what is said, what is written, and when it fails."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from slt_cli.corpus.tables import read_index, read_meta, read_table
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Result, silent
from slt_cli.pipelines.validation.table import validate_table
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.settings.root import Settings

HEADER = "id;text;video;start;end;duration;split;prev_delta;post_delta"
TEXT = "una frase de cuarenta letras para probar"
ROWS = [
    HEADER,
    *(f"v{v}_{c};{TEXT} {v} {c};v{v};{10 * c}.0;{10 * c + 6};6;;;"
      for v in range(5) for c in (0, 1)),
    f"v0_2;{TEXT};v0;20.123.000.000;26;5;[('x',20.123,23),('y',23,26)];;",
    f"v0_3;{TEXT} sin tiempo;;;;;;;",
]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "meta.csv"
    path.parent.mkdir()
    path.write_bytes("\r\n".join([*ROWS, ""]).encode())
    return path


def check(path: Path, **values: Any) -> Result:
    return validate_table(path, Settings(check=CheckSettings(**values)), silent)


def rules(result: Result) -> dict[str, int]:
    return {finding["rule"]: finding["count"] for finding in result.facts["findings"]}


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_plain_check_says_what_is_wrong_and_writes_nothing(table: Path) -> None:
    result = check(table)
    assert (result.exit_code, result.status) == (3, "failed")
    assert rules(result) == {"A020": 1, "A021": 1, "A026": 1}
    assert result.counts == {"rows": 12, "errors": 2, "warnings": 1}
    assert (result.facts["recovered"], result.facts["unresolved"]) == (1, 1)
    assert "error    A020  no usable time" in result.text
    assert "line 13 (v0_3): no start, no end" in result.text
    assert result.outputs == []
    assert tree(table.parent) == ["meta.csv"]
    json.dumps(result.as_dict(), allow_nan=False)


def test_the_verdict_of_a_repair_is_about_the_copy(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    result = check(table, fix=tmp_path / "out" / "fixed.csv")
    assert (result.exit_code, rules(result)) == (0, {})
    assert (result.facts["recovered"], result.facts["unresolved"]) == (1, 1)
    assert result.facts["repairs"] == {"duration": 1, "time-from-pieces": 1}
    assert table.read_bytes() == before
    assert tree(table.parent) == ["meta.csv"]
    assert tree(tmp_path / "out") == [
        "fixed.csv", "fixed.csv.repairs.jsonl", "meta_missing.csv", "meta_outliers.csv",
    ]  # fmt: skip
    assert sorted(map(str, result.outputs)) == sorted(
        str(tmp_path / "out" / name) for name in tree(tmp_path / "out")
    )
    missing = read_table(tmp_path / "out" / "meta_missing.csv")
    assert missing.columns == (*HEADER.split(";"), "reason")
    assert [(r.cells["id"], r.cells["reason"]) for r in missing.rows] == [
        ("v0_3", "no start, no end")
    ]
    assert len(read_meta(tmp_path / "out" / "fixed.csv")) == 11


def test_splits_and_pieces_lie_beside_the_table(table: Path) -> None:
    result = check(table, make_splits=True, emit_split_json=True, split_ratios=(0.6, 0.2, 0.2))
    assert result.exit_code == 3  # nothing was repaired
    folder = table.parent
    splits = {s: read_index(folder / "index" / f"{s}.csv") for s in ("train", "val", "test")}
    assert sorted(i for ids in splits.values() for i in ids) == sorted(
        row.split(";")[0] for row in ROWS[1:-1]
    )
    videos = [{i.split("_")[0] for i in ids} for ids in splits.values()]
    assert not any(a & b for a, b in combinations(videos, 2))
    assert {s: facts["clips"] for s, facts in result.facts["splits"].items()} == {
        s: len(ids) for s, ids in splits.items()
    }
    records = [json.loads(line) for line in (folder / "split_segments.jsonl").open("rb")]
    assert len(records) == 11
    assert records[-1] == {
        "video_id": "v0_2", "video": "v0",
        "pieces": [{"text": "x", "start_s": 20.123, "end_s": 23.0},
                   {"text": "y", "start_s": 23.0, "end_s": 26.0}],
    }  # fmt: skip
    assert records[0]["pieces"] == [{"text": f"{TEXT} 0 0", "start_s": 0.0, "end_s": 6.0}]


def test_outliers_are_listed_and_may_fail(table: Path, tmp_path: Path) -> None:
    result = check(
        table, fix=tmp_path / "a.csv", duration_threshold=1.01, output_dir=tmp_path / "o"
    )
    assert result.exit_code == 0
    assert rules(result) == {"O001": 1}
    (row,) = read_table(tmp_path / "o" / "meta_outliers.csv").rows
    assert row.cells["id"] == "v0_2"
    assert row.cells["reason"].startswith("duration: 5.88 s long")
    failing = {"duration_threshold": 1.01, "fail_on_outliers": True}
    assert check(table, fix=tmp_path / "b.csv", output_dir=tmp_path / "p", **failing).exit_code == 3
    assert check(table, fix=tmp_path / "c.csv", output_dir=tmp_path / "q", fail_on="warning",
                 duration_threshold=1.01).exit_code == 3  # fmt: skip


def test_existing_files_are_not_replaced(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    check(table, fix=out / "fixed.csv")
    (out / "meta_missing.csv").write_text("mine")
    (out / "fixed.csv").unlink()
    (out / "fixed.csv.repairs.jsonl").unlink()
    with pytest.raises(UsageError, match="already there") as caught:
        check(table, fix=out / "fixed.csv")
    assert "--overwrite" in str(caught.value.hint)
    assert (out / "meta_missing.csv").read_text() == "mine"
    assert not (out / "fixed.csv").exists()
    assert check(table, fix=out / "fixed.csv", overwrite=True).exit_code == 0
    assert (out / "meta_missing.csv").read_text() != "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_table_itself_is_never_written(table: Path, overwrite: bool) -> None:
    before = table.read_bytes()
    with pytest.raises(UsageError, match="replace its source"):
        check(table, fix=table, overwrite=overwrite)
    missing = table.rename(table.with_name("meta_missing.csv"))
    with pytest.raises(UsageError, match="replace its source"):
        check(missing, make_splits=True, overwrite=overwrite)
    assert missing.read_bytes() == before
    assert tree(table.parent) == ["meta_missing.csv"]


def test_too_few_videos_for_splits_leave_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "meta.csv"
    path.write_text(f"{HEADER}\na;{TEXT};v;0;5;5;;;\nb;{TEXT}x;v;5;9;4;;;\n")
    with pytest.raises(InputError, match="1 videos cannot make 3 splits"):
        check(path, make_splits=True, fix=tmp_path / "fixed.csv")
    assert tree(tmp_path) == ["meta.csv"]


@pytest.mark.parametrize(
    ("content", "words", "where"),
    [
        (b"", "empty", "meta.csv"),
        (b"id;texo\na;b\n", "is texo meant", "meta.csv"),
        (b"clip;text\na;b\n", "no column video_id or id", "meta.csv"),
        ("id;text\na;b\nc;mamá\n".encode("latin-1"), "'á' in Latin-1", "meta.csv:3"),
        ("id;text\na;b\n".encode("utf-16"), "UTF-16", "meta.csv"),
        ("id;text\na;b\n".encode("utf-16-be"), "UTF-16", "meta.csv"),
        (b'id;text\na;b\nc;"d\ne;f\n', "quote is opened here", "meta.csv:3"),
        (b"id;text\na;b;c\nd;e;f\n", "and in 1 more rows", "meta.csv:2"),
        (b"id;text;text\na;b;c\n", "appears twice", "meta.csv"),
    ],
)
def test_tables_that_cannot_be_read_are_named_with_place_and_reason(
    tmp_path: Path, content: bytes, words: str, where: str
) -> None:
    path = tmp_path / "meta.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        check(path)
    assert str(caught.value.where).endswith(where)


def test_a_tokenizer_finds_texts_that_are_too_long(table: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "una": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    result = check(table, tokenizer=tmp_path / "tokenizer.json", max_target_length=8)
    assert rules(result)["A030"] == 11
    assert result.facts["lengths"]["tokens"]["max"] == 10
    assert result.facts["unknown_tokens"] > 0.5
    assert "A032" in rules(result)


def test_other_corpora_and_strides(tmp_path: Path) -> None:
    path = tmp_path / "video_map.txt"
    path.write_text("index|name|length|gloss|char|word|postag\n1|a|8|X Y Z|x y|xy|n\n")
    assert check(path, temporal_stride=1).exit_code == 0
    result = check(path)
    assert (result.exit_code, rules(result)) == (3, {"G001": 1})
    assert result.facts["columns"] == "csl-daily"


@pytest.mark.real
def test_the_real_table_is_repaired_and_split(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "lsa_t" / "meta.csv"
    out = tmp_path / "fixed.csv"
    result = check(source, fix=out, make_splits=True, emit_split_json=True)
    assert result.exit_code == 0
    assert result.counts["rows"] == 8412
    facts = result.facts
    assert (facts["rows"], facts["recovered"], facts["unresolved"]) == (8459, 234, 47)
    # What is left is true of the corpus: distances to rows that have no time, and odd clips.
    assert {rule: n for rule, n in rules(result).items() if rule[0] == "A"} == {"A027": 13}
    assert rules(result)["O003"] == 13
    assert rules(result)["O004"] == 11
    missing = read_table(tmp_path / "meta_missing.csv").rows
    with source.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    assert [r.cells["id"] for r in missing] == [r["id"] for r in rows if not r["start"]]
    assert len(missing) == 47
    video = {row["id"]: row["video"] for row in rows}
    splits = [read_index(tmp_path / "index" / f"{s}.csv") for s in ("train", "val", "test")]
    assert sum(map(len, splits)) == 8412
    assert not any(
        {video[i] for i in a} & {video[i] for i in b} for a, b in combinations(splits, 2)
    )
    with (tmp_path / "split_segments.jsonl").open("rb") as lines:
        assert sum(len(json.loads(line)["pieces"]) for line in lines) == 14718 + 1
    again = check(out, fix=tmp_path / "again.csv", output_dir=tmp_path / "again")
    assert again.facts["repairs"] == {}


def test_a_page_shows_findings_and_figures(table: Path, tmp_path: Path) -> None:
    table.write_bytes(table.read_bytes().replace(b"v0_3", b"<b>v0_3"))
    result = check(table, html=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert result.outputs == [tmp_path / "report.html"]
    assert tree(table.parent) == ["meta.csv"]
    assert "no usable time" in page
    assert "&lt;b&gt;v0_3" in page
    assert "<b>v0_3" not in page
    assert page.count("<svg") == 2  # seconds and characters
    assert '<em class="failed">' in page
