"""A few Spanish sentences and small SentencePiece models of them."""

from __future__ import annotations

import io
from pathlib import Path

import sentencepiece

TEXTS = [
    "La niña no va a la escuela porque hoy llueve.",
    "Mañana compro el libro que vio mi hermano.",
    "El presidente habló de la salud y de la escuela.",
    "¿Querés comer pan con queso, o solamente agua?",
    "Los números son 1, 22 y 47.",
]


def train_sentencepiece(file: Path, *, model_type: str = "unigram", **options: object) -> Path:
    """A model with the special pieces that SentencePiece gives by itself, as mBART's has."""
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_writer=stream, vocab_size=100,
        model_type=model_type, hard_vocab_limit=False, minloglevel=2, num_threads=1, **options,
    )  # fmt: skip
    file.write_bytes(stream.getvalue())
    return file
