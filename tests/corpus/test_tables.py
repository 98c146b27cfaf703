from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus.tables import (
    read_gloss_table,
    read_index,
    read_meta,
    read_table,
    write_gloss_table,
    write_index,
    write_meta,
)
from slt_cli.errors import InputError


def table(folder: Path, text: str | bytes, name: str = "meta.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "video_id;texto\na;hola\nb;mamá\n",
        "\ufeffvideo_id;texto\r\na;hola\r\nb;mamá\r\n",
        "id;text\na;hola\nb;mamá",
        "ID;Label\na;hola\n\n\nb; mamá \n",
        "video_id,texto\na,hola\nb,mamá\n",
        "id\ttext\na\thola\nb\tmamá\n",
        "id;" + unicodedata.normalize("NFD", "text\na;hola\nb;mamá\n"),
        'fps;id;text\n25;a;"hola"\n30;b;mamá\n',
    ],
)
def test_reads_what_scripts_and_spreadsheets_write(tmp_path: Path, text: str) -> None:
    assert read_meta(table(tmp_path, text)) == {"a": "hola", "b": "mamá"}


def test_further_columns_are_kept(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, "id;text;start\na;hola;1.5\n")).rows
    assert rows[0].cells == {"id": "a", "text": "hola", "start": "1.5"}
    assert rows[0].line == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("video_id;texo\na;b\n", r"found video_id, texo; is texo meant"),
        ("clip;texto\na;b\n", "no column video_id or id"),
        ("id;text\na;x\nb;y\na;z\n", "a appears twice, in lines 2 and 4"),
        ("id;text\na; \nb;y\nc;\n", r"2 clips have no text: a \(line 2\), c \(line 4\)"),
        ("id;text\n;x\n", "no id"),
        ("id;text\na;x;y\n", "3 cells under 2 columns"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_meta(table(tmp_path, text))


def test_another_separator_is_told_from_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found id:text") as caught:
        read_meta(table(tmp_path, "id:text\na:hola\n"))
    assert "; tab | or ," in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        'id;text\na;hola\nb;"mamá\nc;casa\nd;"perro"\n',
        'id;text\na;hola\nb;"mamá\nc;casa\n',
        'id;text\na;hola\nb;"mamá" sí\nc;casa\n',
    ],
)
def test_unclosed_quote_is_reported_where_it_begins(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="quote") as caught:
        read_meta(table(tmp_path, text))
    assert str(caught.value.where).endswith("meta.csv:3")


def test_other_encodings_are_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not UTF-8") as caught:
        read_meta(table(tmp_path, "id;text\na;hola\nb;mamá\n".encode("latin-1")))
    assert str(caught.value.where).endswith("meta.csv:3")
    assert "iconv" in str(caught.value.hint)


def test_glosses_are_split_at_spaces(tmp_path: Path) -> None:
    path = table(tmp_path, "video_id;gloss;ctc_labels\na;YO  CASA IR;3 1 2\nb;;\n")
    assert read_gloss_table(path) == {"a": ("YO", "CASA", "IR"), "b": ()}


def test_written_labels_number_the_glosses_from_one(tmp_path: Path) -> None:
    path = tmp_path / "annotations" / "gloss.csv"
    write_gloss_table(path, {"a": ["YO", "IR"], "b": ["CASA"]})
    assert path.read_text() == "video_id;gloss;ctc_labels\na;YO IR;3 2\nb;CASA;1\n"
    assert read_gloss_table(path) == {"a": ("YO", "IR"), "b": ("CASA",)}


@pytest.mark.parametrize("text", ["video_id\na\nb c\n", "a\nb c\n", "\ufeffid\r\na\r\n\r\nb c\r\n",
                                  "video_id;split\na;x\nb c;y\n"])  # fmt: skip
def test_index_with_and_without_header(tmp_path: Path, text: str) -> None:
    assert read_index(table(tmp_path, text)) == ["a", "b c"]


@pytest.mark.parametrize(
    ("text", "words"), [("video_id\n", "no clip"), ("a\nb\na\n", "lines 1 and 3")]
)
def test_index_problems_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_index(table(tmp_path, text))


cells = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).map(
    lambda s: unicodedata.normalize("NFC", s).strip()
).filter(bool)  # fmt: skip


@given(st.dictionaries(cells, cells, min_size=1, max_size=5))
def test_any_text_survives_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "meta.csv"
    write_meta(path, texts)
    assert read_meta(path) == texts
    write_index(path, texts)
    assert read_index(path) == list(texts)


@pytest.mark.real
def test_the_real_table_is_read_row_by_row(real_data: Path) -> None:
    path = real_data / "lsa_t" / "meta.csv"
    texts = read_meta(path)
    lines = path.read_text("utf-8-sig").splitlines()
    assert len(texts) == len(lines) - 1 == 8459
    for line in (1, 4000, 8459):
        video_id, text = lines[line].split(";")[:2]
        assert texts[video_id] == unicodedata.normalize("NFC", text).strip()
