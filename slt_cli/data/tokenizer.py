"""Text to token ids and back: a subword tokenizer stored as text inside the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from slt_cli.data.target_text import normalise_text
from slt_cli.errors import InputError

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
SPECIAL = [PAD, BOS, EOS, UNK]


class TextTokenizer:
    """A tokenizer trained on the corpus, or the one of a pretrained model.

    `pad_id`, `bos_id`, `eos_id` and `unk_id` are found by name: `<pad>`, `<s>`, `</s>`, `<unk>`. A
    vocabulary without `<s>` starts its texts with padding, as T5 does.

    `rows` says which row of the pretrained vocabulary each id came from, when the vocabulary was
    cut or enlarged (`slt_cli.data.vocabulary`), else None. `to_json` leaves it out: a checkpoint
    holds the rows themselves.

    Raises `InputError` for a tokenizer without one of the other three names.
    """

    def __init__(self, tokenizer: Tokenizer, rows: Sequence[int] | None = None) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # "<s>" in a text is text
        self._tokenizer = tokenizer
        self.rows = None if rows is None else list(rows)
        self.pad_id, self.eos_id, self.unk_id = (self._named(name) for name in (PAD, EOS, UNK))
        start = self.token_id(BOS)
        self.bos_id = self.pad_id if start is None else start

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> TextTokenizer:
        """Learn byte-pair merges (Sennrich et al. 2016) up to `vocab_size` pieces from `texts`.

        Byte pairs and not unigrams, because the unigram trainer's result depends on hash order.
        """
        tokenizer = Tokenizer(models.BPE(unk_token=UNK))
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=SPECIAL, show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, text: str) -> TextTokenizer:
        """Rebuild from `to_json` or another `tokenizer.json` of the tokenizers library.

        Raises `InputError` when it is none, or lacks padding, end or unknown token.
        """
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare exceptions
            raise InputError(f"not a tokenizer.json: {error}") from error
        return cls(tokenizer)

    def to_json(self) -> str:
        """The whole tokenizer as JSON text (the `tokenizer.json` format)."""
        return str(self._tokenizer.to_str())

    def values(self) -> dict[str, Any]:
        """`to_json` as a dictionary."""
        values: dict[str, Any] = json.loads(self.to_json())
        return values

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def token_id(self, token: str) -> int | None:
        """Id of a token by its name, such as a language code; None when there is none."""
        found = self._tokenizer.token_to_id(token)
        return None if found is None else int(found)

    def special_tokens(self) -> list[str]:
        """Names of the special tokens, language codes among them, in the order of their ids."""
        added = self._tokenizer.get_added_tokens_decoder()
        return [added[token_id].content for token_id in sorted(added) if added[token_id].special]

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Ids of `text` followed by the end token, cut to `max_length` with the end token kept."""
        ids = list(self._tokenizer.encode(normalise_text(text), add_special_tokens=False).ids)
        if max_length is not None:
            ids = ids[: max_length - 1]
        return [*ids, self.eos_id]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` up to the first end token, without special tokens."""
        ids = list(ids)
        if self.eos_id in ids:
            ids = ids[: ids.index(self.eos_id)]
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _named(self, token: str) -> int:
        found = self.token_id(token)
        if found is None:
            raise InputError(
                f"the tokenizer has no {token}", hint=f"it needs the tokens {PAD}, {EOS} and {UNK}"
            )
        return found
