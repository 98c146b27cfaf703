from __future__ import annotations

import pytest

from slt_cli.data.tokenizer import TextTokenizer, normalise_text

TEXTS = [
    "¿Querés comer hoy?",
    "La niña no va a la escuela.",
    "Mañana compro el libro.",
    "Él vio a mamá.",
]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(TEXTS * 10, 300)


@pytest.mark.parametrize("text", TEXTS)
def test_training_texts_survive_a_round_trip(tokenizer: TextTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_json_rebuilds_the_same_tokenizer(tokenizer: TextTokenizer) -> None:
    again = TextTokenizer.from_json(tokenizer.to_json())
    assert [again.encode(t) for t in TEXTS] == [tokenizer.encode(t) for t in TEXTS]
    assert len(again) == len(tokenizer)


def test_training_twice_gives_the_same_tokenizer_in_any_order() -> None:
    trained = [TextTokenizer.train(TEXTS[::step], 200) for step in (1, 1, -1)]
    assert len({tokenizer.to_json() for tokenizer in trained}) == 1


def test_cutting_keeps_the_end_token(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode(TEXTS[1], max_length=4)
    assert len(ids) == 4
    assert ids[-1] == TextTokenizer.eos_id


def test_text_after_the_end_token_is_ignored(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([*ids, *ids]) == TEXTS[0]


def test_decomposed_accents_and_odd_spaces_are_normalised() -> None:
    assert normalise_text(" ma\u0301s\t pan \n") == "más pan"
