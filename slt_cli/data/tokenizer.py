"""A subword tokenizer trained on the corpus and stored as text inside the checkpoint."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
SPECIAL = [PAD, BOS, EOS, UNK]


class TextTokenizer:
    """Text to ids and back. Ids 0..3 are padding, start, end and unknown."""

    pad_id, bos_id, eos_id, unk_id = range(4)

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

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
        """Rebuild from `to_json`."""
        return cls(Tokenizer.from_str(text))

    def to_json(self) -> str:
        """The whole tokenizer as JSON text (the `tokenizer.json` format)."""
        return str(self._tokenizer.to_str())

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Ids of `text` followed by the end token, cut to `max_length` with the end token kept."""
        ids = list(self._tokenizer.encode(normalise_text(text)).ids)
        if max_length is not None:
            ids = ids[: max_length - 1]
        return [*ids, self.eos_id]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` up to the first end token, without special tokens."""
        ids = list(ids)
        if self.eos_id in ids:
            ids = ids[: ids.index(self.eos_id)]
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()


def normalise_text(text: str) -> str:
    """NFC, with every run of white space a single space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
