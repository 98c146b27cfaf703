from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from slt_cli.evaluation import decoding
from slt_cli.export.search import beam_search, greedy_ctc, log_softmax
from slt_cli.models.decoder import Memory
from tests.export.small_bundle import talkative_model
from tests.models.small import random_inputs


def test_log_probabilities_sum_to_one_and_survive_large_logits() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    found = log_softmax(logits)
    np.testing.assert_allclose(np.exp(found).sum(-1), 1.0)
    np.testing.assert_allclose(found, torch.log_softmax(torch.from_numpy(logits), -1))


# Tokens 0, 1 = end, 2, 3. After the start the first word 2 looks best, but every continuation of
# it is poor; 3 is followed by the end with certainty.
STEPS = {(0,): [0.0, 0.0, 0.6, 0.4], (0, 2): [0.0, 0.3, 0.35, 0.35], (0, 3): [0.0, 1.0, 0.0, 0.0]}


def _table(tokens: np.ndarray) -> np.ndarray:
    rows = [STEPS.get(tuple(row.tolist()), [0.0, 1.0, 0.0, 0.0]) for row in tokens]
    return np.log(np.maximum(rows, 1e-12))


def test_two_beams_find_what_one_beam_misses() -> None:
    found = {
        beams: beam_search(
            _table, bos_id=0, eos_id=1, beams=beams, length_penalty=0.0, max_length=5
        )
        for beams in (1, 2)
    }
    # greedy: 0.6 * 0.35 (first of the equal two) * 1.0 = 0.21; beam: 0.4 * 1.0
    assert found == {1: [2, 2, 1], 2: [3, 1]}


def test_the_length_penalty_counts_every_token_with_the_end() -> None:
    # complete with two beams: "2 end" with 0.6 * 0.3, "3 end" with 0.4; per token 0.424 and 0.632
    step = {(0,): [0.0, 0.35, 0.6, 0.05], (0, 2): [0.0, 0.55, 0.25, 0.2]}

    def logits(tokens: np.ndarray) -> np.ndarray:
        rows = [step.get(tuple(row.tolist()), [0.0, 1.0, 0.0, 0.0]) for row in tokens]
        return np.log(np.maximum(rows, 1e-12))

    def best(penalty: float) -> list[int]:
        return beam_search(
            logits, bos_id=0, eos_id=1, beams=2, length_penalty=penalty, max_length=5
        )

    # "end" has probability 0.35, "2 end" 0.33: by sum the short one wins, per token the long one
    assert math.log(0.35) > math.log(0.33)
    assert best(0.0) == [1]
    assert math.log(0.35) / 1 < math.log(0.33) / 2
    assert best(1.0) == [2, 1]


SEARCHES = [(1, 1.0, 12), (2, 0.0, 5), (4, 1.0, 12), (5, -0.5, 1), (7, 2.0, 9)]


@pytest.mark.parametrize("family", ["mbart", "t5"])
@pytest.mark.parametrize("seed", range(10))
def test_the_search_equals_generate_of_transformers(family: str, seed: int) -> None:
    model = talkative_model(family=family, seed=seed)
    with torch.no_grad():
        encoding = model.encode(*random_inputs([1, 5, 9, 16], seed=seed))
        memory = model.decoder.encode(encoding.features, encoding.valid)
    for beams, penalty, length in SEARCHES:
        generated = model.decoder.generate(
            encoding.features, encoding.valid, beams=beams, length_penalty=penalty,
            max_length=length,
        )  # fmt: skip
        for clip, expected in enumerate(generated[:, 1:].tolist()):

            def next_logits(tokens: np.ndarray, clip: int = clip) -> np.ndarray:
                rows = len(tokens)
                with torch.no_grad():
                    logits = model.decoder.decode(
                        torch.from_numpy(tokens),
                        Memory(
                            memory.hidden[clip].expand(rows, -1, -1),
                            memory.valid[clip].expand(rows, -1),
                        ),
                    )
                return logits[:, -1].numpy()

            found = beam_search(
                next_logits, bos_id=1, eos_id=2, beams=beams, length_penalty=penalty,
                max_length=length,
            )  # fmt: skip
            end = expected.index(2) + 1 if 2 in expected else len(expected)  # the rest is padding
            assert found == expected[:end], (beams, penalty, length, clip)


def test_ctc_merges_repeats_and_keeps_those_with_a_blank_between() -> None:
    path = [0, 3, 3, 0, 3, 1, 1, 2, 0]
    assert greedy_ctc(np.eye(4)[path]) == [3, 3, 1, 2]


def test_ctc_equals_the_one_of_training() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        logits = rng.normal(size=(int(rng.integers(1, 30)), 4))
        assert greedy_ctc(logits) == decoding.greedy_ctc(logits.argmax(-1).tolist())
