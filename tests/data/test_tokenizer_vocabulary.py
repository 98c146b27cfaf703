from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.data.pretrained_tokenizer import load_tokenizer
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.data.vocabulary import pruned, with_codes
from slt_cli.errors import InputError
from tests.data.sentences import TEXTS, train_sentencepiece

KEPT = TEXTS[:2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    file = tmp_path_factory.mktemp("mbart") / "sentencepiece.bpe.model"
    return load_tokenizer(train_sentencepiece(file))


def old_ids(tokenizer: TextTokenizer, ids: list[int]) -> list[int]:
    assert tokenizer.rows is not None
    return [tokenizer.rows[i] for i in ids]


def test_training_texts_are_cut_into_the_same_pieces(whole: TextTokenizer) -> None:
    small = pruned(whole, KEPT)
    assert len(small) < len(whole)
    for text in KEPT:
        assert old_ids(small, small.encode(text)) == whole.encode(text)
        assert small.decode(small.encode(text)) == text


def test_special_tokens_and_codes_stay_under_their_names(whole: TextTokenizer) -> None:
    small = pruned(whole, KEPT)
    assert small.special_tokens() == whole.special_tokens()
    for name in small.special_tokens():
        assert old_ids(small, [small.token_id(name)]) == [whole.token_id(name)]
    assert old_ids(small, [small.unk_id]) == [whole.unk_id]


def test_nothing_else_stays_but_the_piece_that_prices_the_unknown(whole: TextTokenizer) -> None:
    small = pruned(whole, KEPT)
    used = {i for text in KEPT for i in whole.encode(text)}
    specials = {whole.token_id(name) for name in whole.special_tokens()}
    rest = set(small.rows) - used - specials
    assert len(rest) <= 1
    assert small.rows == sorted(small.rows)


def test_other_texts_are_cut_into_kept_pieces_or_unknown(whole: TextTokenizer) -> None:
    small = pruned(whole, KEPT)
    ids = small.encode("xyz ñandú 333")
    assert max(ids) < len(small)
    assert small.unk_id in ids


def test_a_cut_tokenizer_is_stored_whole(whole: TextTokenizer) -> None:
    small = pruned(whole, KEPT)
    again = TextTokenizer.from_json(small.to_json())
    assert [again.encode(t) for t in TEXTS] == [small.encode(t) for t in TEXTS]
    assert again.token_id("de_DE") == small.token_id("de_DE")


def test_cutting_twice_still_names_rows_of_the_first(whole: TextTokenizer) -> None:
    twice = pruned(pruned(whole, TEXTS), KEPT)
    for text in KEPT:
        assert old_ids(twice, twice.encode(text)) == whole.encode(text)


def test_byte_pairs_cannot_be_cut() -> None:
    with pytest.raises(InputError, match="only unigram"):
        pruned(TextTokenizer.train(TEXTS, 100), KEPT)


def test_a_new_code_starts_from_the_row_it_is_like(whole: TextTokenizer) -> None:
    german = whole.token_id("de_DE")
    larger = with_codes(whole, {"de_DGS": german, "de_DE": german})
    assert len(larger) == len(whole) + 1
    assert larger.token_id("de_DGS") == len(whole)
    assert larger.rows == [*range(len(whole)), german]
    assert larger.encode(TEXTS[0]) == whole.encode(TEXTS[0])
    small = pruned(whole, KEPT)
    both = with_codes(small, {"de_DGS": small.token_id("de_DE")})
    assert both.rows == [*small.rows, german]


def test_known_codes_change_nothing(whole: TextTokenizer) -> None:
    assert with_codes(whole, {"es_XX": None}) is whole
    assert whole.rows is None


def test_codes_of_a_trained_tokenizer_have_no_row_to_start_from(tmp_path: Path) -> None:
    trained = TextTokenizer.train(TEXTS, 100)
    larger = with_codes(trained, dict.fromkeys(["de_DGS", "de_DE"]))
    assert larger.rows is None
    assert [larger.token_id(c) for c in ("de_DGS", "de_DE")] == [len(trained), len(trained) + 1]
    again = TextTokenizer.from_json(larger.to_json())
    assert again.token_id("de_DE") == len(trained) + 1
    assert again.decode([again.token_id("de_DE"), *again.encode(TEXTS[0])]) == TEXTS[0]
