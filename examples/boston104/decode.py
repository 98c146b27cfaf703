"""Reading glosses from CTC scores with a bigram model of glosses, which no sentence is beyond."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

END = 0  # stands before the first gloss and after the last; the class of the CTC blank
CANDIDATES = 12  # classes that a step may add, if they are not
UNLIKELY = -10.0  # by their log-probability

Prefix = tuple[int, ...]


class Bigrams:
    """P(gloss | gloss before), smoothed after Witten and Bell (1991, method C).

    Every gloss keeps a probability after every other one: glosses are counted once more than they
    occur, and a gloss that was followed by many others leaves much to those never seen after it.
    """

    def __init__(self, sentences: Iterable[Sequence[int]], num_classes: int) -> None:
        """Gloss ids from 1 to `num_classes` - 1."""
        self._pairs: dict[int, Counter[int]] = defaultdict(Counter)
        singles: Counter[int] = Counter()
        for sentence in sentences:
            marked = [END, *sentence, END]
            singles.update(marked[1:])
            for before, after in pairwise(marked):
                self._pairs[before][after] += 1
        total = singles.total() + num_classes
        self._single = [(singles[c] + 1) / total for c in range(num_classes)]

    def log_prob(self, gloss: int, before: int) -> float:
        """Natural logarithm; `END` is a gloss here, too."""
        after = self._pairs.get(before, Counter[int]())
        kinds = len(after) or 1
        share = (after[gloss] + kinds * self._single[gloss]) / (after.total() + kinds)
        return math.log(share)


def beam_search(
    log_probs: npt.NDArray[np.floating],
    bigrams: Bigrams,
    *,
    weight: float,
    bonus: float,
    beams: int = 24,
) -> list[int]:
    """Glosses with the largest log P(CTC) + `weight` log P(bigrams) + `bonus` per gloss.

    Prefix search of Hannun et al. (2014, arXiv 1408.2873). `log_probs` (T, K), class 0 the blank.
    """
    beam: dict[Prefix, tuple[float, float]] = {(): (0.0, -math.inf)}  # ends in blank, in a gloss
    prior: dict[Prefix, float] = {(): 0.0}
    for step in log_probs.tolist():
        likely = [int(c) for c in np.argsort(step)[::-1][: CANDIDATES + 1] if c != 0]
        likely = [c for c in likely if step[c] > UNLIKELY]
        grown: dict[Prefix, list[float]] = defaultdict(lambda: [-math.inf, -math.inf])
        for prefix, (blank, gloss) in beam.items():
            either = _log_sum(blank, gloss)
            _add(grown[prefix], 0, either + step[0])
            if prefix:
                _add(grown[prefix], 1, gloss + step[prefix[-1]])
            for c in likely:
                longer = (*prefix, c)
                if longer not in prior:
                    told = bigrams.log_prob(c, prefix[-1] if prefix else END)
                    prior[longer] = prior[prefix] + weight * told + bonus
                # The same gloss twice in a row needs a blank between.
                _add(grown[longer], 1, (blank if prefix[-1:] == (c,) else either) + step[c])
        best = sorted(grown, key=lambda p: _log_sum(*grown[p]) + prior[p], reverse=True)
        beam = {prefix: (grown[prefix][0], grown[prefix][1]) for prefix in best[:beams]}

    def final(prefix: Prefix) -> float:
        end = bigrams.log_prob(END, prefix[-1] if prefix else END)
        return _log_sum(*beam[prefix]) + prior[prefix] + weight * end

    return list(max(beam, key=final))


def _add(scores: list[float], at: int, score: float) -> None:
    scores[at] = _log_sum(scores[at], score)


def _log_sum(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    a, b = max(a, b), min(a, b)
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))
