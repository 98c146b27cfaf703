"""Text and gloss search in numpy, for machines without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


def beam_search(
    next_logits: Callable[[Ints], Floats],
    *,
    bos_id: int,
    eos_id: int,
    beams: int,
    length_penalty: float,
    max_length: int,
) -> list[int]:
    """Find the best token sequence of one clip; `beams` 1 is greedy search.

    `next_logits` maps the open hypotheses (K, L) to logits (K, vocabulary) of their next token. A
    hypothesis is complete when it ends in `eos_id` or has `max_length` tokens; its score is its log
    probability over `length ** length_penalty`, the end token counted. The search ends with `beams`
    complete hypotheses. These are the rules of Hugging Face `generate` with `early_stopping=True`:
    in each step the best `2 * beams` continuations are looked at, of which the first `beams` may
    complete and the first `beams` without an end token stay open.

    Returns the tokens after the start token, with the end token if there is one.
    """
    hypotheses = np.full((1, 1), bos_id, np.int64)
    scores = np.zeros(1)
    complete: list[tuple[float, Ints]] = []
    for length in range(1, max_length + 1):
        totals = scores[:, None] + log_softmax(next_logits(hypotheses))  # (K, vocabulary)
        best = _largest(totals.ravel(), 2 * beams)
        parents, tokens = np.divmod(best, totals.shape[1])
        continued = np.concatenate([hypotheses[parents], tokens[:, None]], axis=1)
        scores = totals.ravel()[best]
        ends = tokens == eos_id if length < max_length else np.ones(len(tokens), bool)
        for row in np.flatnonzero(ends[:beams]):
            complete.append((float(scores[row]) / length**length_penalty, continued[row]))
        complete = sorted(complete, key=lambda scored: -scored[0])[:beams]
        if len(complete) == beams:
            break
        still_open = np.flatnonzero(~ends)[:beams]
        hypotheses, scores = continued[still_open], scores[still_open]
    return [int(token) for token in complete[0][1][1:]]


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Log probabilities over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def greedy_ctc(logits: Floats) -> list[int]:
    """(T, classes) logits to labels: best class per frame, repeats merged, blanks (0) dropped."""
    classes = logits.argmax(-1)
    starts = np.append(True, classes[1:] != classes[:-1])
    return [int(label) for label in classes[starts & (classes != 0)]]


def _largest(values: Floats, count: int) -> Ints:
    """Indices of the `count` largest values, largest first."""
    found = np.arange(len(values))
    if count < len(values):
        found = np.sort(np.argpartition(-values, count)[:count])
    return found[np.argsort(-values[found], kind="stable")]
