"""SentencePiece models as tokenizers of the tokenizers library, which need no SentencePiece."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from slt_cli.data.tokenizer import BOS, EOS, PAD, SPECIAL, UNK
from slt_cli.errors import InputError

UNIGRAM = 1  # of the field `trainer_spec.model_type`
SPACE = "▁"
MBART_LANGUAGES = (
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN",
    "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO",
    "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN",
)  # fmt: skip
"""Languages of mBART-cc25 in the order of their ids (Liu et al. 2020, table 1, sorted)."""


def tokenizer_from_sentencepiece(data: bytes) -> Tokenizer:
    """The tokenizer that a unigram SentencePiece model describes, with the same ids.

    A model with a padding piece (T5) gives its pieces their own places. One without (mBART) was
    used through fairseq: four special tokens first, every further piece one place later, then the
    language codes and `<mask>`.

    Texts are cut as SentencePiece cuts them; of two equally probable cuts, such as 000|0 and 0|000,
    the libraries may take different ones.

    Raises `InputError` for other bytes and for other kinds of models.
    """
    model = _parsed(data)
    if model.trainer_spec.model_type != UNIGRAM or model.trainer_spec.byte_fallback:
        raise InputError(
            "a SentencePiece model of another kind than unigram",
            hint="save it as tokenizer.json with its own library",
        )
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    by_fairseq = PAD not in dict(pieces)
    if by_fairseq:
        pieces = [*((name, 0.0) for name in (BOS, PAD, EOS, UNK)), *pieces[3:]]
    names = [name for name, _ in pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=names.index(UNK), byte_fallback=False))
    _give_rules(tokenizer, model)
    specials = [name for name in SPECIAL if name in names]
    if by_fairseq:
        specials += [*MBART_LANGUAGES, "<mask>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in specials])
    return tokenizer


def _parsed(data: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"not a SentencePiece model: {error}") from error
    if not model.pieces:
        raise InputError("not a SentencePiece model: it has no pieces")
    return model


def _give_rules(tokenizer: Tokenizer, model: Any) -> None:
    """Normalise, cut into words and join again as the model says."""
    steps: list[normalizers.Normalizer] = []
    if model.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    if model.normalizer_spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    scheme = "always" if model.normalizer_spec.add_dummy_prefix else "never"
    split = model.trainer_spec.split_by_whitespace
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, scheme, split)
    tokenizer.decoder = decoders.Metaspace(SPACE, scheme, split)
