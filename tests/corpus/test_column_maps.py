"""Tables of other corpora: recognised by their header, read through a map."""

from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.column_maps import column_map, known_maps, named_map
from slt_cli.corpus.segments import read_segments
from slt_cli.corpus.tables import read_gloss_table, read_meta, read_table
from slt_cli.errors import InputError, UsageError

# Two rows of each kind as its publisher lays them out; the sentences are made up.
PHOENIX_T = """name|video|start|end|speaker|orth|translation
11August_2010_tagesschau-2|11August_2010_tagesschau-2/1/*.png|-1|-1|Signer08|DRUCK TIEF|der "tag
11August_2010_tagesschau-3|11August_2010_tagesschau-3/1/*.png|-1|-1|Signer08|REGEN|es regnet .
"""
PHOENIX = """id|folder|signer|annotation
01April_2010_heute-0|01April_2010_heute-0/1/*.png|Signer04|__ON__ LIEB ZUSCHAUER
"""
CSL = """index|name|length|gloss|char|word|postag
1|S000000_P0000_T00|95|他 是 谁|他 是 谁|他 是 谁|r v r
"""
HOW2SIGN = "\n".join(
    "\t".join(cells)
    for cells in (
        ("VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME",
         "START_REALIGNED", "END_REALIGNED", "SENTENCE"),
        ("-d5dN54tH2E", "-d5dN54tH2E-1-rgb_front", "-d5dN54tH2E_0", "-d5dN54tH2E_0-1-rgb_front",
         "12.97", "19.52", "Let's go; again, now."),
    )
)  # fmt: skip
LSA_T = (
    "id;text;video;playlist;start;end;duration;split;prev_delta;post_delta\nv_0;hola;v;p;1;2;1;;;\n"
)


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PHOENIX_T, "phoenix2014t"), (PHOENIX, "phoenix2014"), (CSL, "csl-daily"),
        (HOW2SIGN, "how2sign"), (HOW2SIGN.replace("_REALIGNED", ""), "how2sign"), (LSA_T, "lsa-t"),
        (LSA_T.replace("split;", "splits;").replace("text", "label"), "lsa-t"),
        ("video_id;texto\na;b\n", "slt"), ('"id";"text"\na;b\n', "slt"),
        ("video_id;texto;start;end;video\na;b;1;2;v\n", "slt"),
    ],
)  # fmt: skip
def test_header_tells_the_kind_of_table(tmp_path: Path, text: str, name: str) -> None:
    assert read_table(table(tmp_path, text)).map.name == name


def test_texts_of_other_corpora_are_read_without_a_word(tmp_path: Path) -> None:
    assert read_meta(table(tmp_path, PHOENIX_T)) == {
        "11August_2010_tagesschau-2": 'der "tag',
        "11August_2010_tagesschau-3": "es regnet .",
    }
    assert read_meta(table(tmp_path, CSL)) == {"S000000_P0000_T00": "他 是 谁"}
    assert read_meta(table(tmp_path, HOW2SIGN)) == {
        "-d5dN54tH2E_0-1-rgb_front": "Let's go; again, now."
    }


def test_glosses_of_other_corpora_are_read_too(tmp_path: Path) -> None:
    assert read_gloss_table(table(tmp_path, PHOENIX)) == {
        "01April_2010_heute-0": ("__ON__", "LIEB", "ZUSCHAUER")
    }
    glosses = read_gloss_table(table(tmp_path, PHOENIX_T))
    assert glosses["11August_2010_tagesschau-2"] == ("DRUCK", "TIEF")
    assert read_gloss_table(table(tmp_path, CSL)) == {"S000000_P0000_T00": ("他", "是", "谁")}


def test_a_table_without_texts_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="phoenix2014 has no text"):
        read_meta(table(tmp_path, PHOENIX))


@pytest.mark.parametrize("text", [HOW2SIGN, HOW2SIGN.replace("_REALIGNED", "")])
def test_segments_come_from_the_columns_that_are_there(tmp_path: Path, text: str) -> None:
    (segment,) = read_segments(table(tmp_path, text)).segments
    assert (segment.video, segment.start_s, segment.end_s) == (
        "-d5dN54tH2E-1-rgb_front", 12.97, 19.52,
    )  # fmt: skip


def test_clips_of_picture_folders_are_whole_videos_of_their_own_name(tmp_path: Path) -> None:
    for segment in read_segments(table(tmp_path, PHOENIX_T)).segments:
        assert segment.video == segment.clip_id
        assert segment.start_s is None
        assert segment.end_s is None


def test_own_map_is_read_from_a_file(tmp_path: Path) -> None:
    own = table(tmp_path, 'id = "clip"\ntext = ["frase;x"]\ndelimiter = ","\n', "own.toml")
    path = table(tmp_path, "clip,frase;x\na,hola; sí\n")
    assert read_meta(path, str(own)) == {"a": "hola; sí"}
    assert named_map(str(own)).name == "own"


def test_named_map_overrides_the_header(tmp_path: Path) -> None:
    path = table(tmp_path, LSA_T)
    assert read_table(path, "slt").map is known_maps()["slt"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("phoenix2014", None, None),
        ("phonix2014", None, "is phoenix2014 meant"),
        ("missing.toml", None, "cannot be read"),
        ("own.toml", "id = [", "not a TOML file"),
        ("own.toml", 'texts = "a"', "unknown key texts.*is text meant"),
        ("own.toml", "text = 3", "text must be column names"),
        ("own.toml", 'delimiter = ";;"', "one character"),
        ("own.toml", 'quotes = "no"', "true or false"),
    ],
)
def test_wrong_maps_are_refused(
    tmp_path: Path, name: str, text: str | None, words: str | None
) -> None:
    if text is not None:
        table(tmp_path, text, name)
    where = str(tmp_path / name) if name.endswith(".toml") else name
    if words is None:
        assert column_map(where, []) is known_maps()[name]
        return
    with pytest.raises(UsageError, match=words):
        named_map(where)


def test_a_map_that_does_not_fit_names_the_columns_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column SENTENCE; found id, text"):
        read_meta(table(tmp_path, "id;text\na;b\n"), "how2sign")


@pytest.mark.real
def test_the_real_parallel_texts_are_read_through_a_map(real_data: Path, tmp_path: Path) -> None:
    own = table(tmp_path, 'id = "name"\ntext = "text"\ngloss = "gloss"\nquotes = false\n', "p.toml")
    path = real_data / "text" / "phoenix2014T" / "annotations.tsv"
    texts = read_meta(path, str(own))
    lines = path.read_text("utf-8").splitlines()
    assert len(texts) == len(lines) - 1
    first = lines[1].split("\t")
    assert texts[first[1]] == first[5]
    assert read_gloss_table(path, str(own))[first[1]] == tuple(first[4].split())
