from __future__ import annotations

import pytest
import torch

from slt_cli.errors import UsageError
from slt_cli.models.mska.norm import MaskedBatchNorm
from slt_cli.training.objective import compute_losses
from slt_cli.training.precision import autocast, build_scaler
from tests.models.small import small_model
from tests.training.made_up import config, made_up_batch

CPU = torch.device("cpu")


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU") as caught:
        build_scaler(CPU, "fp16")
    assert caught.value.hint == "--precision bf16"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_need_no_loss_scale(precision: str) -> None:
    assert build_scaler(CPU, precision) is None


def test_bf16_products_are_of_that_type() -> None:
    x = torch.ones(2, 2)
    with autocast(CPU, "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(CPU, "fp32"):
        assert (x @ x).dtype == torch.float32


@pytest.mark.parametrize("kind", [{}, {"pose": True}, {"probabilities": True, "family": "t5"}])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_bf16_is_near_fp32_and_reaches_every_parameter(kind: dict, ratio: float) -> None:
    losses, gradients = {}, {}
    for precision in ("fp32", "bf16"):
        model = small_model(**kind).eval()  # without dropout; the masks still differ per clip
        terms = compute_losses(model, made_up_batch(), config(precision=precision))
        losses[precision] = {name: term.item() for name, term in terms.items()}
        model.train()
        torch.manual_seed(0)
        compute_losses(model, made_up_batch(), config(precision=precision), ratio)[
            "loss"
        ].backward()
        gradients[precision] = {n: p.grad for n, p in model.named_parameters()}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05, abs=0.05)
    missing = [name for name, grad in gradients["bf16"].items() if grad is None]
    assert missing == []
    assert all(grad.isfinite().all() for grad in gradients["bf16"].values())
    assert all(grad.dtype == torch.float32 for grad in gradients["bf16"].values())


@pytest.mark.parametrize("masked", [True, False])
def test_the_batch_norm_takes_half_precision_and_keeps_single_statistics(masked: bool) -> None:
    norm = MaskedBatchNorm(3)
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    valid = torch.arange(5) < torch.tensor([[5], [3]]) if masked else None
    exact = norm(x, valid)
    statistics = norm.running_var.clone()
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    half = norm(x.bfloat16(), valid)
    assert half.dtype == torch.bfloat16
    keep = torch.ones(2, 5, dtype=torch.bool) if valid is None else valid
    torch.testing.assert_close(half.float()[keep], exact[keep], rtol=0.02, atol=0.02)
    assert norm.running_var.dtype == torch.float32
    torch.testing.assert_close(norm.running_var, statistics, rtol=0.01, atol=0.01)
