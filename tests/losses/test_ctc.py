from __future__ import annotations

import math
from itertools import product

import torch

from slt_cli.losses.ctc import ctc_feasible, gloss_ctc_loss


def brute_force(log_probs: torch.Tensor, target: list[int]) -> float:
    """-log of the summed probability of every path that collapses to the target."""
    total = 0.0
    for path in product(range(log_probs.shape[1]), repeat=log_probs.shape[0]):
        merged = [p for i, p in enumerate(path) if i == 0 or p != path[i - 1]]
        if [p for p in merged if p] == target:
            total += math.exp(sum(log_probs[t, p].item() for t, p in enumerate(path)))
    return -math.log(total)


def test_loss_equals_the_sum_over_all_alignments() -> None:
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(1))
    expected = brute_force(logits[0].log_softmax(-1), [1, 2]) / 2
    loss = gloss_ctc_loss(
        logits, torch.ones(1, 4, dtype=torch.bool), torch.tensor([[1, 2]]), torch.tensor([2])
    )
    assert math.isclose(loss.item(), expected, rel_tol=1e-5)


def test_feasibility_counts_equal_neighbours() -> None:
    glosses = torch.tensor([[1, 1, 2], [1, 1, 2], [1, 2, 0]])
    feasible = ctc_feasible(torch.tensor([3, 4, 2]), glosses, torch.tensor([3, 3, 2]))
    assert feasible.tolist() == [False, True, True]


def test_infeasible_and_unlabelled_clips_take_no_part() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 4, 5, generator=generator)
    valid = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    glosses, lengths = torch.tensor([[1, 2], [3, 4], [0, 0]]), torch.tensor([2, 2, 0])
    only = gloss_ctc_loss(logits[:1], valid[:1], glosses[:1], lengths[:1])
    assert torch.isclose(gloss_ctc_loss(logits, valid, glosses, lengths), only)
    nobody = gloss_ctc_loss(logits[1:], valid[1:], glosses[1:], lengths[1:])
    assert nobody.item() == 0.0
