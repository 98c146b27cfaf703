from __future__ import annotations

import math

import torch

from slt_cli.losses.translation import IGNORE, translation_loss


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
