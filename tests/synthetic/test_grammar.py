from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from slt_cli.errors import UsageError
from slt_cli.synthetic.grammar import Sentence, sample_corpus
from slt_cli.synthetic.lexicon import GLOSSES


@pytest.mark.parametrize(
    ("sentence", "glosses", "text"),
    [
        (
            Sentence("MAMA", "COMPRAR", "CASA", "AYER", "ROJO", "NO"),
            "AYER MAMA CASA ROJO COMPRAR NO",
            "Ayer mi mamá no compró una casa roja.",
        ),
        (
            Sentence("TU", "LEER", "LIBRO", "MAÑANA", "NUEVO", "PREGUNTA"),
            "MAÑANA TU LIBRO NUEVO LEER PREGUNTA",
            "¿Leerás el libro nuevo mañana?",
        ),
        (Sentence("YO", "IR", "ESCUELA", "HOY"), "HOY YO ESCUELA IR", "Hoy voy a la escuela."),
        (Sentence("NOSOTROS", "IR", "MERCADO"), "NOSOTROS MERCADO IR", "Vamos al mercado."),
        (
            Sentence("NIÑO", "BEBER", "AGUA", "AYER", "FRIO"),
            "AYER NIÑO AGUA FRIO BEBER",
            "Ayer el niño bebió el agua fría.",
        ),
        (
            Sentence("PROFESORA", "QUERER", "LECHE", "", "", "PREGUNTA"),
            "PROFESORA LECHE QUERER PREGUNTA",
            "¿La profesora quiere leche?",
        ),
        (
            Sentence("AMIGO", "TENER", "PERRO", "MAÑANA", "GRANDE"),
            "MAÑANA AMIGO PERRO GRANDE TENER",
            "Mañana mi amigo tendrá un perro grande.",
        ),
        (Sentence("YO", "VER", "CARTA", "AYER"), "AYER YO CARTA VER", "Ayer vi la carta."),
    ],
)
def test_glosses_become_agreeing_spanish(sentence: Sentence, glosses: str, text: str) -> None:
    assert " ".join(sentence.glosses) == glosses
    assert sentence.text == text


def test_splits_share_no_sentence_and_cover_every_sign() -> None:
    train, val, test = sample_corpus(np.random.default_rng(0), 600, 60, 60)
    assert (len(train), len(val), len(test)) == (600, 60, 60)
    everything = train + val + test
    assert len({s.glosses for s in everything}) == 720
    assert len({s.text for s in everything}) == 720
    counts = Counter(gloss for s in train for gloss in s.glosses)
    assert set(counts) == set(GLOSSES)
    assert min(counts.values()) >= 15


def test_held_out_words_all_occur_in_training() -> None:
    train, val, test = sample_corpus(np.random.default_rng(3), 600, 60, 60)

    def words(sentences: list[Sentence]) -> set[str]:
        return {word.lower() for s in sentences for word in s.text.strip("¿?.").split()}

    assert words(val + test) <= words(train)


def test_sentences_are_long_enough_to_score() -> None:
    train, _, test = sample_corpus(np.random.default_rng(1), 300, 0, 60)
    assert all(3 <= len(s.glosses) <= 6 for s in train)
    for split in (train, test):
        assert np.mean([len(s.text.split()) for s in split]) >= 5


def test_sampling_follows_the_seed() -> None:
    draws = [sample_corpus(np.random.default_rng(seed), 40, 5, 5) for seed in (7, 7, 8)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_too_large_a_corpus_is_refused() -> None:
    with pytest.raises(UsageError, match="too few sentences"):
        sample_corpus(np.random.default_rng(0), 30_000, 0, 0)
