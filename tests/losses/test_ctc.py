from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
import torch

from slt_cli.losses.ctc import ctc_feasible, gloss_ctc_loss
from tests.parity import Record, check_close, numbers


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
    expected = brute_force(logits[0].log_softmax(-1), [1, 2])
    loss = gloss_ctc_loss(
        logits, torch.ones(1, 4, dtype=torch.bool), torch.tensor([[1, 2]]), torch.tensor([2])
    )
    assert math.isclose(loss.item(), expected, rel_tol=1e-5)


def test_feasibility_counts_equal_neighbours() -> None:
    glosses = torch.tensor([[1, 1, 2], [1, 1, 2], [1, 2, 0]])
    feasible = ctc_feasible(torch.tensor([3, 4, 2]), glosses, torch.tensor([3, 3, 2]))
    assert feasible.tolist() == [False, True, True]


def test_infeasible_and_unlabelled_clips_add_nothing_but_their_number() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 4, 5, generator=generator, requires_grad=True)
    valid = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    glosses, lengths = torch.tensor([[1, 2], [3, 4], [0, 0]]), torch.tensor([2, 2, 0])
    only = gloss_ctc_loss(logits[:1], valid[:1], glosses[:1], lengths[:1])
    all_three = gloss_ctc_loss(logits, valid, glosses, lengths)
    assert torch.isclose(all_three, only / 3)
    (gradient,) = torch.autograd.grad(all_three, logits)
    assert gradient[0].any()
    assert not gradient[1:].any()
    nobody = gloss_ctc_loss(logits[1:], valid[1:], glosses[1:], lengths[1:])
    assert nobody.item() == 0.0


def test_a_table_without_any_gloss_is_zero() -> None:
    logits, valid = torch.zeros(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    none = torch.zeros(2, dtype=torch.long)
    assert gloss_ctc_loss(logits, valid, none.new_zeros(2, 0), none).item() == 0.0


def test_padded_frames_have_no_say() -> None:
    logits = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(3))
    valid = torch.arange(6) < torch.tensor([[6], [4]])
    glosses, lengths = torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 2])
    expected = gloss_ctc_loss(logits, valid, glosses, lengths)
    logits[1, 4:] = 100 * torch.arange(5)
    assert torch.equal(gloss_ctc_loss(logits, valid, glosses, lengths), expected)


@pytest.mark.real
def test_loss_equals_the_published_one_on_labelled_clips(
    real_data: Path, record_property: Record
) -> None:
    case = numbers(real_data, "losses_ctc_smoothing.npz")
    log_probs, lengths = case["ctc.log_probs"], case["ctc.input_lengths"]
    valid = torch.arange(log_probs.shape[1]) < lengths[:, None]
    labels, label_lengths = case["ctc.labels"], case["ctc.label_lengths"]
    assert ctc_feasible(lengths, labels, label_lengths).tolist() == [True, True, False, True]
    # The fourth clip has no labels: the published code teaches it blanks, ours leaves it out.
    each = case["ctc.per_sample"]
    loss = gloss_ctc_loss(log_probs, valid, labels, label_lengths)
    expected = case["ctc.loss"] - each[3] / 4
    check_close(record_property, "CTC: batch, without the unlabelled clip", loss, expected, 2e-6)
    alone = [
        gloss_ctc_loss(log_probs[i, None], valid[i, None], labels[i, None], label_lengths[i, None])
        for i in range(3)
    ]
    check_close(record_property, "CTC: each labelled clip", torch.stack(alone), each[:3], 2e-6)
