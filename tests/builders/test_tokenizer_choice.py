from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.builders.tokenizer import build_tokenizer
from slt_cli.data.pretrained_tokenizer import load_tokenizer
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import MissingAsset
from slt_cli.settings.model import ModelSettings
from tests.data.sentences import TEXTS, train_sentencepiece


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf") / "words"
    folder.mkdir()
    return train_sentencepiece(folder / "sentencepiece.bpe.model")


def test_without_a_name_it_is_trained_on_the_texts() -> None:
    found = build_tokenizer(ModelSettings(vocab_size=150), None, TEXTS)
    assert found.to_json() == TextTokenizer.train(TEXTS, 150).to_json()


def test_codes_that_the_settings_name_are_added_to_a_trained_one() -> None:
    asked = ModelSettings(decoder_source_code="es_LSA", decoder_target_code="es_AR")
    found = build_tokenizer(asked, None, TEXTS)
    assert found.special_tokens()[-2:] == ["es_LSA", "es_AR"]


@pytest.mark.parametrize("name", ["words", "owner/words"])
def test_a_named_one_is_found_on_the_search_path(file: Path, name: str) -> None:
    asked = ModelSettings(decoder_search_path=[file.parent.parent])
    found = build_tokenizer(asked, name, TEXTS)
    assert found.to_json() == load_tokenizer(file).to_json()


@pytest.mark.parametrize("inside", [True, False])
def test_a_file_or_folder_is_taken_as_it_is(file: Path, inside: bool) -> None:
    found = build_tokenizer(ModelSettings(), str(file if inside else file.parent), TEXTS)
    assert found.encode(TEXTS[0]) == load_tokenizer(file).encode(TEXTS[0])


def test_a_named_one_keeps_only_the_words_of_the_texts_when_told_so(file: Path) -> None:
    found = build_tokenizer(ModelSettings(), str(file), TEXTS[:1], prune=True)
    whole = load_tokenizer(file)
    assert len(found) < len(whole)
    assert [found.rows[i] for i in found.encode(TEXTS[0])] == whole.encode(TEXTS[0])


def test_a_name_that_is_nowhere_is_missing(tmp_path: Path) -> None:
    asked = ModelSettings(decoder_search_path=[tmp_path])
    with pytest.raises(MissingAsset, match=r"words is in none of") as caught:
        build_tokenizer(asked, "words", TEXTS)
    assert caught.value.where == "data.tokenizer"
    assert "tokenizer.json" in str(caught.value.hint)
