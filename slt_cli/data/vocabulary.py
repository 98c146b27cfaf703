"""Vocabularies cut to the words of a corpus, and enlarged by language codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tokenizers import Tokenizer

from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError


def pruned(tokenizer: TextTokenizer, texts: Iterable[str]) -> TextTokenizer:
    """Keep the pieces that `texts` use and all special tokens; `rows` of the result are old ids.

    Give it training texts only: pieces of other texts would tell of them. `texts` are cut as
    before, because the best cut of a unigram vocabulary stays the best among fewer pieces; other
    texts are cut into kept pieces as far as those reach. The piece with the lowest score stays too:
    the cost of unknown characters is counted from it.

    Raises `InputError` for a tokenizer that is no unigram model: of byte pairs, pieces need others.
    """
    values = tokenizer.values()
    model = values["model"]
    if model["type"] != "Unigram":
        raise InputError(
            f"only unigram vocabularies (T5, mBART) can be cut, this one is {model['type']}",
            hint="keep the whole vocabulary",
        )
    pieces = model["vocab"]
    kept = {token["id"] for token in values["added_tokens"]}
    kept |= {tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id}
    kept.add(min(range(len(pieces)), key=lambda i: pieces[i][1]))
    for text in texts:
        kept.update(tokenizer.encode(text))
    rows = sorted(kept)
    _keep(values, {old: new for new, old in enumerate(rows)})
    before = tokenizer.rows
    return _rebuilt(values, rows if before is None else [before[row] for row in rows])


def with_codes(tokenizer: TextTokenizer, codes: Mapping[str, int | None]) -> TextTokenizer:
    """Add special tokens that are not there yet, such as language codes.

    `codes` maps each to the id whose row of a pretrained vocabulary it starts from; None where
    there is no such vocabulary.
    """
    new = {code: like for code, like in codes.items() if tokenizer.token_id(code) is None}
    if not new:
        return tokenizer
    larger = Tokenizer.from_str(tokenizer.to_json())
    larger.add_special_tokens(list(new))
    likes = [like for like in new.values() if like is not None]
    if not likes:
        return TextTokenizer(larger, tokenizer.rows)
    rows = list(range(len(tokenizer))) if tokenizer.rows is None else tokenizer.rows
    return TextTokenizer(larger, [*rows, *(rows[like] for like in likes)])


def _keep(values: dict[str, Any], new_ids: Mapping[int, int]) -> None:
    """Leave only the ids of `new_ids` in the content of a tokenizer.json, under their new names."""
    model = values["model"]
    model["vocab"] = [piece for i, piece in enumerate(model["vocab"]) if i in new_ids]
    model["unk_id"] = new_ids[model["unk_id"]]
    for token in values["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    values["post_processor"] = None  # special tokens are put by whoever encodes


def _rebuilt(values: Mapping[str, Any], rows: list[int]) -> TextTokenizer:
    return TextTokenizer(Tokenizer.from_str(json.dumps(values)), rows)
