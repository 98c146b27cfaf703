from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece
from transformers import MBartTokenizer

from slt_cli.data.pretrained_tokenizer import load_tokenizer, tokenizer_file
from slt_cli.data.sentencepiece_model import MBART_LANGUAGES
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError
from tests.data.sentences import TEXTS, train_sentencepiece


@pytest.fixture(scope="module")
def fairseq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model laid out like mBART's."""
    file = tmp_path_factory.mktemp("mbart") / "sentencepiece.bpe.model"
    return train_sentencepiece(file).parent


def real_sentences(data: Path) -> Iterator[str]:
    with (data / "lsa_t" / "meta.csv").open(encoding="utf-8", newline="") as handle:
        yield from (row["text"] for row in csv.DictReader(handle, delimiter=";"))
    with (data / "text" / "nzsl_usage_gloss_en.tsv").open(encoding="utf-8") as handle:
        yield from (row["translation_en"] for row in csv.DictReader(handle, delimiter="\t"))
    for file in sorted((data / "text" / "phoenix2014T").glob("*.de")):
        yield from file.read_text("utf-8").splitlines()


@pytest.mark.real
def test_t5_ids_and_texts_are_those_of_the_sentencepiece_library(real_data: Path) -> None:
    file = real_data / "models" / "tokenizers" / "t5_spiece.model"
    tokenizer = load_tokenizer(file)
    library = sentencepiece.SentencePieceProcessor(model_file=str(file))
    texts = [text for text in real_sentences(real_data) if text.strip()]
    assert len(texts) > 15_000
    unknown = 0
    for text in texts[::3]:
        ids = library.encode(text)
        assert tokenizer.encode(text) == [*ids, library.eos_id()]
        unknown += library.unk_id() in ids
        if library.unk_id() not in ids:
            assert tokenizer.decode(ids) == library.decode(ids).strip()
    assert unknown > 100  # accents that T5 does not know are in there
    names = (tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id)
    assert names == (library.pad_id(), library.eos_id(), library.unk_id()) == (0, 1, 2)
    assert tokenizer.bos_id == tokenizer.pad_id  # T5 starts with padding
    assert len(tokenizer) == library.vocab_size() == 32_000


def test_mbart_ids_are_those_of_its_own_tokenizer(fairseq: Path) -> None:
    tokenizer = load_tokenizer(fairseq / "sentencepiece.bpe.model")
    library = MBartTokenizer.from_pretrained(fairseq, local_files_only=True)
    for text in TEXTS:
        pieces = library.encode(text, add_special_tokens=False)
        assert tokenizer.encode(text) == [*pieces, library.eos_token_id]
    for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>", *MBART_LANGUAGES):
        assert tokenizer.token_id(name) == library.convert_tokens_to_ids(name)
    assert len(tokenizer) == len(library)
    assert len(MBART_LANGUAGES) == 25
    assert (tokenizer.bos_id, tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id) == (0, 1, 2, 3)


def test_mbart_pieces_are_the_model_s_one_place_later(fairseq: Path) -> None:
    file = fairseq / "sentencepiece.bpe.model"
    tokenizer = load_tokenizer(file)
    library = sentencepiece.SentencePieceProcessor(model_file=str(file))
    for text in TEXTS:
        assert tokenizer.encode(text)[:-1] == [i + 1 for i in library.encode(text)]
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_language_code_spelt_out_is_text_and_one_given_out_is_not(fairseq: Path) -> None:
    tokenizer = load_tokenizer(fairseq / "sentencepiece.bpe.model")
    code = tokenizer.token_id("de_DE")
    assert code not in tokenizer.encode("de_DE es un código")
    assert tokenizer.decode([code, *tokenizer.encode(TEXTS[0])]) == TEXTS[0]


def test_the_stored_tokenizer_needs_no_other_file_and_no_torch(fairseq: Path) -> None:
    tokenizer = load_tokenizer(fairseq / "sentencepiece.bpe.model")
    again = TextTokenizer.from_json(tokenizer.to_json())
    assert [again.encode(t) for t in TEXTS] == [tokenizer.encode(t) for t in TEXTS]
    assert again.token_id("es_XX") == tokenizer.token_id("es_XX")
    program = (
        "import sys, pathlib, slt_cli.data.pretrained_tokenizer as p;"
        f"p.load_tokenizer(pathlib.Path({str(fairseq / 'sentencepiece.bpe.model')!r}));"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_tokenizer_json_goes_before_a_sentencepiece_model(fairseq: Path, tmp_path: Path) -> None:
    assert tokenizer_file(fairseq) == fairseq / "sentencepiece.bpe.model"
    (tmp_path / "any.model").touch()
    assert tokenizer_file(tmp_path) == tmp_path / "any.model"
    tokenizer = TextTokenizer.train(TEXTS, 200)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), "utf-8")
    file = tokenizer_file(tmp_path)
    assert file == tmp_path / "tokenizer.json"
    assert load_tokenizer(file).encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])
    assert tokenizer_file(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00broken", b"plain text"])
def test_what_is_no_sentencepiece_model_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "spiece.model"
    file.write_bytes(content)
    with pytest.raises(InputError, match="not a SentencePiece model") as caught:
        load_tokenizer(file)
    assert caught.value.where == str(file)


def test_byte_pairs_of_sentencepiece_are_refused(tmp_path: Path) -> None:
    file = train_sentencepiece(tmp_path / "m.model", model_type="bpe")
    with pytest.raises(InputError, match="another kind than unigram"):
        load_tokenizer(file)


@pytest.mark.parametrize("content", [b"{}", b"\xff\xff"])
def test_a_broken_tokenizer_json_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_tokenizer(file)
    assert caught.value.where == str(file)
