"""The yardstick: a linear classifier of single letters that is told where each of them lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from stitch import LETTERS

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_index
from slt_cli.landmarks.normalise import StreamArray, normalise_keypoints, standing

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
STEPS = 100  # of L-BFGS

Features = npt.NDArray[np.float64]


def middle_mean(hand: Features) -> Features:
    """(T, V, 2) -> (2V,): mean place of every point in the middle half, when the hand stands."""
    quarter = len(hand) // 4
    return hand[quarter : len(hand) - quarter].mean(0).ravel()


def mean_and_spread(hand: Features) -> Features:
    """(T, V, 2) -> (4V,): mean and standard deviation over the letter."""
    return np.concatenate([hand.mean(0).ravel(), hand.std(0).ravel()])


POOLS = (middle_mean, mean_and_spread)


@dataclass(frozen=True)
class Linear:
    """Scores of pooled, standardised features."""

    pool: Callable[[Features], Features]
    mean: torch.Tensor
    deviation: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def read(self, hands: Sequence[Features]) -> str:
        """The likeliest letter of each piece."""
        x = torch.tensor(np.stack([self.pool(hand) for hand in hands]), dtype=torch.float32)
        scores = (x - self.mean) / self.deviation @ self.weight + self.bias
        return "".join(LETTERS[i] for i in scores.argmax(1).tolist())


def letter_classifier(corpus: CorpusPaths) -> Linear:
    """Trained on the letters of the training split; pooling and penalty fit the validation split.

    Logistic regression with the penalty on the squared weights.
    """
    train, dev = pieces_of(corpus, "train"), pieces_of(corpus, "val")
    hands = [hand for hands, _ in train.values() for hand in hands]
    spelled = "".join(word for _, word in train.values())
    labels = torch.tensor([LETTERS.index(letter) for letter in spelled])
    found = [_fitted(pool, hands, labels, penalty) for pool in POOLS for penalty in PENALTIES]

    def right(classifier: Linear) -> int:
        read = ((classifier.read(hands), word) for hands, word in dev.values())
        return sum(a == b for told, word in read for a, b in zip(told, word, strict=True))

    return max(found, key=right)


def pieces_of(corpus: CorpusPaths, split: str) -> dict[str, tuple[list[Features], str]]:
    """Clip -> the spelling hand (T, 21, 2) in every letter, and the letters."""
    places = json.loads((corpus.root / "letters.json").read_text("utf-8"))
    found = {}
    for name in read_index(corpus.index(split)):
        hand = spelling_hand(normalise_keypoints(load_clip_keypoints(corpus.keypoints(name))))
        pieces = [hand[start:end] for _, start, end in places[name]]
        found[name] = (pieces, "".join(letter for letter, *_ in places[name]))
    return found


def spelling_hand(streams: dict[str, StreamArray]) -> Features:
    """(T, 21, 2): the hand that is seen more often, relative to its wrist, as a right hand."""
    hands = {}
    for side, name in ((1, "hand_right"), (-1, "hand_left")):
        own = slice(standing(name, "signer").stop, None)
        stream = streams[name]
        hands[stream.valid[:, own].sum(), side] = stream.x[:, own, :2] * (side, 1)
    return hands[max(hands)].astype(np.float64)


def _fitted(
    pool: Callable[[Features], Features],
    hands: Sequence[Features],
    labels: torch.Tensor,
    penalty: float,
) -> Linear:
    x = torch.tensor(np.stack([pool(hand) for hand in hands]), dtype=torch.float32)
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    weight = torch.zeros(x.shape[1], len(LETTERS), requires_grad=True)
    bias = torch.zeros(len(LETTERS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ weight + bias, labels) + penalty * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return Linear(pool, mean, deviation, weight.detach(), bias.detach())
