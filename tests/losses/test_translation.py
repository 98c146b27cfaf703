from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from slt_cli.losses.translation import IGNORE, published_translation_loss, translation_loss
from tests.parity import Record, check_close, numbers


def test_uniform_logits_cost_the_log_of_the_vocabulary() -> None:
    loss = translation_loss(torch.zeros(2, 3, 10), torch.tensor([[1, 2, IGNORE], [4, 5, 6]]), 0.0)
    assert math.isclose(loss.item(), math.log(10), rel_tol=1e-6)


def test_smoothed_loss_equals_the_hand_computed_mixture() -> None:
    logits = torch.tensor([[[2.0, 0.0, -1.0]]])
    log_p = logits[0, 0].log_softmax(0)
    expected = -(0.8 * log_p[1] + 0.2 * log_p.mean())
    assert torch.isclose(translation_loss(logits, torch.tensor([[1]]), 0.2), expected)


def test_padding_has_no_weight_and_an_empty_batch_is_zero() -> None:
    logits = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(0))
    short = translation_loss(logits[:, :2], torch.tensor([[3, 5]]), 0.1)
    padded = translation_loss(logits, torch.tensor([[3, 5, IGNORE, IGNORE]]), 0.1)
    assert torch.isclose(short, padded)
    assert translation_loss(logits, torch.full((1, 4), IGNORE), 0.1).item() == 0.0


def test_the_published_loss_is_a_divergence_from_the_written_out_target() -> None:
    logits = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1))
    labels, pad = torch.tensor([[2, 3, IGNORE], [5, 0, 2]]), 1
    target = torch.full((2, 3, 6), 0.2 / 4).scatter(-1, labels.clamp(min=0)[..., None], 0.8)
    target[..., pad] = 0
    target[0, 2] = 0
    expected = F.kl_div(logits.log_softmax(-1), target, reduction="sum") / 2
    found = published_translation_loss(logits, labels, 0.2, pad_id=pad)
    assert math.isclose(found.item(), expected.item(), rel_tol=1e-6)


def test_without_smoothing_both_losses_differ_by_tokens_per_clip_only() -> None:
    logits = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([[2, 3, IGNORE], [5, 0, 2]])
    published = published_translation_loss(logits, labels, 0.0, pad_id=1)
    assert torch.isclose(published, translation_loss(logits, labels, 0.0) * 5 / 2)


@pytest.mark.real
@pytest.mark.parametrize("tenths", [0, 1, 2])
def test_the_published_loss_has_the_published_value(
    real_data: Path, tenths: int, record_property: Record
) -> None:
    case = numbers(real_data, "losses_ctc_smoothing.npz")
    pad, targets = 1, case["smooth.targets"]
    labels = targets.masked_fill(targets == pad, IGNORE)
    found = published_translation_loss(case["smooth.log_probs"], labels, tenths / 10, pad_id=pad)
    check_close(
        record_property, f"translation loss: smoothing 0.{tenths}", found * len(targets),
        case[f"smooth.loss_sum_{tenths}"], 2e-6,
    )  # fmt: skip
