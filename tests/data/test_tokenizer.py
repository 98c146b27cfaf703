from __future__ import annotations

import json

import pytest

from slt_cli.data.tokenizer import SPECIAL, TextTokenizer, normalise_text
from slt_cli.errors import InputError

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
    assert ids[-1] == tokenizer.eos_id


def test_text_after_the_end_token_is_ignored(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([*ids, *ids]) == TEXTS[0]


def test_ids_beyond_the_vocabulary_say_nothing(tokenizer: TextTokenizer) -> None:
    *ids, end = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([*ids, len(tokenizer), 10**6, end]) == TEXTS[0]


def test_special_tokens_are_found_by_name(tokenizer: TextTokenizer) -> None:
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id) == (0, 1, 2, 3)
    assert tokenizer.special_tokens() == SPECIAL
    assert tokenizer.token_id("</s>") == 2
    assert tokenizer.token_id("de_DE") is None


def test_a_special_token_spelt_out_in_a_text_is_text(tokenizer: TextTokenizer) -> None:
    assert tokenizer.eos_id not in tokenizer.encode("la </s> niña")[:-1]


def test_rules_of_another_tokenizer_json_are_left_out(tokenizer: TextTokenizer) -> None:
    values = tokenizer.values()
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    fill = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}  # fmt: skip
    ends = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    }  # fmt: skip
    again = TextTokenizer.from_json(
        json.dumps({**values, "truncation": cut, "padding": fill, "post_processor": ends})
    )
    assert [again.encode(t) for t in TEXTS] == [tokenizer.encode(t) for t in TEXTS]


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"model": 3}'])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"not a tokenizer\.json"):
        TextTokenizer.from_json(text)


def test_a_tokenizer_without_an_end_token_is_refused(tokenizer: TextTokenizer) -> None:
    values = tokenizer.values()
    values["added_tokens"] = [t for t in values["added_tokens"] if t["content"] != "</s>"]
    del values["model"]["vocab"]["</s>"]
    with pytest.raises(InputError, match="the tokenizer has no </s>"):
        TextTokenizer.from_json(json.dumps(values))


def test_decomposed_accents_and_odd_spaces_are_normalised() -> None:
    assert normalise_text(" ma\u0301s\t pan \n") == "más pan"
