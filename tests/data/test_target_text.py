from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.target_text import target_text
from tests.corpora import write_corpus

STEPS = ("lowercase", "strip_punctuation", "strip_accents")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), "¿Qué  dijo Ñandú? «Sí»...no; it’s well-known: 3+4, ÄÖÜ – fin!"),
        (("lowercase",), "¿qué dijo ñandú? «sí»...no; it’s well-known: 3+4, äöü – fin!"),
        (("strip_punctuation",), "Qué dijo Ñandú Sí no its well known 3+4 ÄÖÜ fin"),
        (("strip_accents",), "¿Que dijo Nandu? «Si»...no; it’s well-known: 3+4, AOU – fin!"),
        (STEPS, "que dijo nandu si no its well known 3+4 aou fin"),
    ],
)
def test_texts_by_hand(steps: tuple[str, ...], expected: str) -> None:
    text = " ¿Qué  dijo Ñandú? «Sí»...no;\tit’s well-known: 3+4,\n ÄÖÜ – fin! "
    assert target_text(text, steps) == " ".join(expected.split())


def test_a_text_may_vanish() -> None:
    assert target_text(" ¿...? ", ("strip_punctuation",)) == ""


@given(st.text(max_size=30), st.sampled_from(list(itertools.permutations(STEPS))))
def test_spaces_are_tidy_and_no_word_grows_together(text: str, steps: tuple[str, ...]) -> None:
    changed = target_text(text, steps)
    assert changed == " ".join(changed.split())
    assert "." not in changed
    assert target_text(f"sol.{text}", ("strip_punctuation",)).split()[0].startswith("sol")
    assert target_text("sol.mar", steps) == "sol mar"


def test_a_split_is_read_with_its_targets(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(write_corpus(tmp_path, train=2, val=1, test=1, frames=4))
    corpus.metadata_csv.write_text(
        "video_id;texto\ntrain_000;¡Mamá  lee!\ntrain_001;Sí\nval_000;¿No?\ntest_000;x\n", "utf-8"
    )
    plain = [record.text for record in read_split(corpus, "train")]
    assert plain == ["¡Mamá lee!", "Sí"]
    assert [record.text for record in read_split(corpus, "train", STEPS)] == ["mama lee", "si"]
    assert [record.text for record in read_split(corpus, "val", STEPS)] == ["no"]
