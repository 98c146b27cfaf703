"""Rules of tables: each one broken on purpose, and a sound table that breaks none."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from slt_cli.corpus.checked_table import CheckedTable, TableLimits
from slt_cli.corpus.table_rules import TABLE_RULES, check_table, lengths, percentiles
from slt_cli.corpus.tables import read_table
from slt_cli.corpus.text_coder import TextCoder, load_text_coder
from slt_cli.errors import InputError, UsageError

TIMES = "id;text;video;start;end;duration;split;prev_delta;post_delta\n"
TEXT = "una frase de cuarenta letras para probar"
TWO = f"a;{TEXT};v;1;5;4;;;0.5\nb;{TEXT} dos;v;5.5;9.5;4;;0.5;\n"


def checked(folder: Path, text: str, limits: TableLimits | None = None) -> CheckedTable:
    path = folder / "meta.csv"
    path.write_text(text, encoding="utf-8")
    return CheckedTable(read_table(path), limits or TableLimits())


def broken(given: CheckedTable) -> dict[str, list[str]]:
    return {finding.rule: finding.where for finding in check_table(given)}


@pytest.mark.parametrize(
    "text",
    [
        TIMES + TWO,
        "video_id;texto\na;hola\nb;mamá\n",
        "video_id;gloss;ctc_labels\na;YO CASA YO;2 1 2\nb;;\n",
        "name|video|start|end|speaker|orth|translation\na|a/1/*.png|-1|-1|S|REGEN|es regnet\n",
    ],
)
def test_a_sound_table_breaks_no_rule(tmp_path: Path, text: str) -> None:
    assert broken(checked(tmp_path, text)) == {}


@pytest.mark.parametrize(
    ("rule", "text", "where"),
    [
        ("A010", "id;text\n;x\nb;y\n", "line 2"),
        ("A011", "id;text\na;x\nb;y\na;z\n", "lines 2, 4: a"),
        ("A012", "id;text\na; \nb;y\n", "line 2 (a)"),
        ("A013", "id;text\na;x\x07\x00y\n", "line 2: U+0000, U+0007"),
        ("A013", "id;text\na;ma\ufffdana\n", "line 2: U+FFFD"),
        ("A014", "id;text\na;x\nb;" + unicodedata.normalize("NFD", "sí") + "\n", "line 3: sí"),
        ("A015", "id;text;signer\na;x\nb;y;s\n", "line 2: 2 of 3 cells"),
        ("A016", "id;text\nClip;x\nclip;y\n", "lines 2, 3: Clip, clip"),
        ("A018", "id;text;durations\na;x;3\n", "durations: is duration meant?"),
        ("A020", TIMES + f"a;{TEXT};v;;;;;;\n", "line 2 (a): no start, no end"),
        ("A020", TIMES + f"a;{TEXT};v;5;1;;;;\n", "line 2 (a): start 5 is not before end 1"),
        ("A021", TIMES + f"a;{TEXT};v;1.001.233;1005;3.767;[('x',1001.233,1005)];;\n",
         "line 2: start '1.001.233' is 1001.233"),
        ("A022", TIMES + f"a;{TEXT};v;1;5;4;[('x',1,4.5)];;\n", "line 2: 1-5, its pieces 1-4.5"),
        ("A023", TIMES + f"a;{TEXT};v;1;5;4;;;\nb;{TEXT};v;2;6;4;;;\n",
         "lines 2 and 3: 3.00 s shared"),
        ("A025", TIMES + f"a;{TEXT};v;1;5;4;;;\nb;{TEXT};v;1;5;4;;;\n", "lines 2, 3: v 1-5"),
        ("A026", TIMES + f"a;{TEXT};v;1;5;9;;;\n", "line 2: '9' is 4"),
        ("A027", TIMES + f"a;{TEXT};v;1;5;4;;7.1.9;\n", "line 2: '7.1.9'"),
        ("A028", TIMES + TWO.replace(";v;5", ";V;5"), "V, v"),
        ("A028", TIMES.replace("video", "video") + f"a;{TEXT};Días 1;1;5;4;;;\n"
         f"b;{TEXT};dias_1;6;10;4;;;\n", "Días 1, dias_1"),
        ("G001", "index|name|length|gloss|char|word|postag\n1|a|4|X X X|x|x|n\n",
         "line 2 (a): 4 frames for 5 CTC steps"),
        ("G003", "id;gloss;ctc_labels\na;YO IR;1\n", "line 2: 1 numbers for 2 glosses"),
        ("G003", "id;gloss;ctc_labels\na;YO IR;1 1\n", "line 2: IR is 1, which is YO"),
        ("G003", "id;gloss;ctc_labels\na;YO IR;1 0\n",
         "line 2: IR is 0, which is no number from 1 on"),
        ("G003", "id;gloss;ctc_labels\na;YO IR;1 2\nb;YO;2\n", "line 3: YO is 2, and 1 before"),
        ("O005", TIMES + f"a;{TEXT};v;1;2;1;;;\n", "line 2 (a): 40.0 characters per second"),
    ],
)  # fmt: skip
def test_each_rule_names_the_line(tmp_path: Path, rule: str, text: str, where: str) -> None:
    found = broken(checked(tmp_path, text))
    assert found[rule] == [where]
    assert set(found) <= {rule, "A012", "O001", "O003"}  # no other rule sees the same fault


def test_a_table_without_rows(tmp_path: Path) -> None:
    assert list(broken(checked(tmp_path, "id;text\n"))) == ["A019"]


def test_ids_that_differ_in_their_numbers_are_different(tmp_path: Path) -> None:
    text = "id;text;video\nv_1_11;x;v_1_11\nv_11_1;y;v_11_1\nv_111;z;v_111\n"
    assert broken(checked(tmp_path, text)) == {}


def test_errors_come_first_and_every_rule_says_why() -> None:
    assert len({rule.id for rule in TABLE_RULES}) == len(TABLE_RULES)
    assert all(rule.why and rule.title and rule.find.__doc__ for rule in TABLE_RULES)


def coder(longest: int = 64) -> TextCoder:
    """A word per token; words with a q are unknown."""
    return TextCoder(
        lambda text: [0 if "q" in w else 1 for w in text.split()] + [2], unknown_id=0,
        longest=longest,
    )  # fmt: skip


def test_texts_longer_than_the_decoder_are_counted(tmp_path: Path) -> None:
    limits = TableLimits(coder=coder(longest=4))
    given = checked(tmp_path, "id;text\na;uno dos tres\nb;uno dos tres cuatro\n", limits)
    assert broken(given) == {"A030": ["line 3: 5 tokens, at most 4"]}
    assert lengths(given)["tokens"]["max"] == 5


def test_unknown_tokens_are_a_warning_and_many_an_error(tmp_path: Path) -> None:
    text = "id;text\na;" + "hola " * 150 + "\nb;uno q dos\n"
    given = checked(tmp_path, text, TableLimits(coder=coder(longest=999)))
    assert broken(given) == {"A031": ["line 3: 1 of 4 tokens of 'uno q dos'"]}
    assert given.unknown_rate == pytest.approx(1 / 155)
    given = checked(tmp_path, "id;text\nb;uno q dos\n", TableLimits(coder=coder()))
    assert broken(given)["A032"] == ["25.0% of the tokens"]


def test_percentiles_are_those_of_the_sorted_values(tmp_path: Path) -> None:
    assert percentiles([]) == {}
    values = percentiles(list(range(101)))
    assert values == {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    given = lengths(checked(tmp_path, TIMES + TWO))
    assert given["seconds"] == {"min": 4, "p50": 4, "p95": 4, "p99": 4, "max": 4}
    assert given["characters"]["max"] == len(TEXT) + 4
    assert given["characters"]["p50"] == np.median([len(TEXT), len(TEXT) + 4])


def word_level(path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "hola": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
    return path


def test_a_tokenizer_file_is_loaded_with_its_unknown_token(tmp_path: Path) -> None:
    word_level(tmp_path / "tokenizer.json")
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        loaded = load_text_coder(path, 8)
        assert list(loaded.encode("hola hola q"))[:3] == [1, 1, 0]
        assert len(loaded.encode("hola hola q")) == 4  # the end token counts
        assert (loaded.unknown_id, loaded.longest) == (0, 8)


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tokenizer there"):
        load_text_coder(tmp_path / "missing.json", 8)
    for name, content in (("a.json", "{}"), ("b.json", "]"), ("c.model", "nothing")):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="cannot be read as a tokenizer"):
            load_text_coder(tmp_path / name, 8)


@pytest.mark.real
def test_t5_does_not_know_chinese(real_data: Path, tmp_path: Path) -> None:
    model = real_data / "models" / "tokenizers" / "t5_spiece.model"
    limits = TableLimits(coder=load_text_coder(model, 64))
    assert broken(checked(tmp_path, "id;text\na;the weather is fine\n", limits)) == {}
    assert "A032" in broken(checked(tmp_path, "id;text\na;你好，世界\n", limits))


@pytest.mark.real
def test_the_real_table_breaks_the_rules_it_is_known_to_break(real_data: Path) -> None:
    table = read_table(real_data / "lsa_t" / "meta.csv")
    found = {rule: len(where) for rule, where in broken(CheckedTable(table, TableLimits())).items()}
    assert {rule: count for rule, count in found.items() if rule.startswith("A")} == {
        "A020": 47, "A021": 234, "A026": 8170, "A027": 1046 + 1041,
    }  # fmt: skip
