"""What the recipe for RWTH-BOSTON-104 makes of the data, and how it reads glosses."""

from __future__ import annotations

import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))

from boston104.corpus import (
    DEV,
    FADE,
    FRAME_SIZE,
    Sentence,
    changed_over,
    clip_of,
    crossovers,
    read_sentences,
    without_dev,
)
from boston104.decode import END, Bigrams, beam_search


def sentence(name: str, text: str, seed: int, speaker: str = "a") -> Sentence:
    """Ten frames for each word, at places of its own."""
    glosses = tuple(text.split())
    track = np.random.default_rng(seed).uniform(50, 150, (10 * len(glosses), 3, 2))
    spans = tuple((10 * i, 10 * i + 9) for i in range(len(glosses)))
    return Sentence(name, speaker, glosses, track, spans)


FIRST = sentence("1", "JOHN BUY HOUSE", 1)
SECOND = sentence("2", "MARY LIKE BUY CAR YESTERDAY", 2)


def test_a_crossover_is_the_one_sentence_and_then_the_other() -> None:
    track = changed_over(FIRST, 1, SECOND, 2)
    assert len(track) == 14 + (50 - 24)
    np.testing.assert_array_equal(track[:14], FIRST.track[:14])
    np.testing.assert_allclose(track[14], FIRST.track[14])  # nothing jumps where they change over
    np.testing.assert_array_equal(track[14 + FADE :], SECOND.track[24 + FADE :])


def test_crossovers_are_new_sentences_of_one_signer() -> None:
    stranger = sentence("3", "WHO BUY BOOK", 3, speaker="b")
    made = list(crossovers([FIRST, SECOND, stranger], 100, np.random.default_rng(0)))
    assert {made_one.glosses for made_one in made} == {
        ("JOHN", "BUY", "CAR", "YESTERDAY"), ("MARY", "LIKE", "BUY", "HOUSE"),
    }  # fmt: skip
    assert {made_one.speaker for made_one in made} == {"a"}
    assert len(list(crossovers([FIRST, SECOND], 1, np.random.default_rng(0)))) == 1


def test_frames_between_recorded_ones_lie_on_a_line() -> None:
    clip = clip_of(FIRST.track, 2)
    assert len(clip) == 2 * len(FIRST.track) - 1
    pixels = clip.keypoints[..., :2] * FRAME_SIZE
    np.testing.assert_allclose(pixels[::2], FIRST.track, rtol=1e-5)
    np.testing.assert_allclose(pixels[1], (FIRST.track[0] + FIRST.track[1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(np.diff(clip.time_s), 1 / 60)


def test_bigrams_are_probabilities_and_leave_every_pair_possible() -> None:
    bigrams = Bigrams([[1, 2, 3], [1, 2, 2], [4]], num_classes=6)
    for before in range(6):
        shares = [np.exp(bigrams.log_prob(gloss, before)) for gloss in range(6)]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0
    assert bigrams.log_prob(2, 1) > bigrams.log_prob(3, 1)
    assert bigrams.log_prob(1, END) > bigrams.log_prob(2, END)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_search_finds_the_best_of_all_sequences(seed: int, weight: float) -> None:
    """Four steps, three glosses: all sequences of up to four are scored by torch's CTC."""
    scores = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed)).double()
    scores = (2 * scores).log_softmax(-1)
    bigrams, bonus = Bigrams([[1, 2], [2, 2, 3]], num_classes=4), 0.3

    def total(glosses: tuple[int, ...]) -> float:
        loss = torch.nn.functional.ctc_loss(
            scores[:, None], torch.tensor([glosses or (1,)]), torch.tensor([4]),
            torch.tensor([len(glosses)]), reduction="sum",
        )  # fmt: skip
        pairs = pairwise([END, *glosses, END])
        told = sum(bigrams.log_prob(after, before) for before, after in pairs)
        return -loss.item() + weight * told + bonus * len(glosses)

    every = [g for length in range(5) for g in product((1, 2, 3), repeat=length)]
    found = beam_search(scores.numpy(), bigrams, weight=weight, bonus=bonus, beams=100)
    assert tuple(found) == max(every, key=total)


@pytest.mark.real
def test_the_split_is_the_official_one_and_test_words_are_not_located(real_data: Path) -> None:
    splits = read_sentences(real_data / "boston104")
    assert {name: len(found) for name, found in splits.items()} == {"train": 161, "test": 40}
    assert all(s.spans == () for s in splits["test"])
    assert all(len(s.spans) == len(s.glosses) for s in splits["train"])
    train, dev = without_dev(splits["train"], np.random.default_rng(0))
    assert (len(train), len(dev)) == (161 - DEV, DEV)
    assert not {s.name for s in dev} & {s.name for s in train}
    words = {s.glosses for s in splits["train"]}
    assert sum(s.glosses not in words for s in splits["test"]) == 14
