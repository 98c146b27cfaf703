from __future__ import annotations

import math

import pytest
import torch

from slt_cli.losses.distillation import distillation_loss, ensemble_log_probs

VALID = torch.tensor([[True, True, True], [True, True, False]])


def two_heads(*, requires_grad: bool = False) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: (3 * torch.randn(2, 3, 5, generator=generator)).requires_grad_(requires_grad)
        for name in ("left", "fuse")
    }


def divergence(p: torch.Tensor, q: torch.Tensor) -> float:
    """KL(p || q), a sum written out."""
    return sum(
        a * (math.log(a) - math.log(b))
        for a, b in zip(p.flatten().tolist(), q.flatten().tolist(), strict=True)
    )


def test_the_ensemble_is_the_mean_of_the_heads() -> None:
    heads = two_heads()
    mean = (heads["left"].softmax(-1) + heads["fuse"].softmax(-1)) / 2
    torch.testing.assert_close(ensemble_log_probs(heads.values()), mean.log())


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("masked", [True, False])
def test_loss_is_the_divergence_of_each_head_from_the_softened_ensemble(
    temperature: float, masked: bool
) -> None:
    heads = two_heads()
    soft = {name: (logits / temperature).softmax(-1) for name, logits in heads.items()}
    teacher = sum(soft.values()) / 2
    frames = VALID if masked else torch.ones_like(VALID)
    expected = sum(divergence(teacher[frames], one[frames]) for one in soft.values()) / 2
    found = distillation_loss(
        heads, ensemble_log_probs(heads.values()), VALID, temperature=temperature, masked=masked
    )
    assert math.isclose(found.item(), temperature**2 * expected, rel_tol=1e-5)


def test_heads_that_agree_cost_nothing() -> None:
    logits = two_heads()["left"]
    heads = {"left": logits, "right": logits, "fuse": logits}
    loss = distillation_loss(heads, ensemble_log_probs(heads.values()), VALID)
    assert abs(loss.item()) < 1e-5


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_detached_teacher_leaves_the_gradient_of_the_students_alone(temperature: float) -> None:
    def gradient(detach: bool) -> torch.Tensor:
        heads = two_heads(requires_grad=True)
        ensemble = ensemble_log_probs(heads.values())
        loss = distillation_loss(
            heads, ensemble, VALID, temperature=temperature, detach_teacher=detach
        )
        return torch.autograd.grad(loss, heads["left"])[0]

    heads = two_heads()
    teacher = ensemble_log_probs(heads.values(), temperature).exp()
    # d KL(p || softmax(z / T)) / dz = (softmax(z / T) - p) / T for a constant p (Hinton et al.)
    student = (heads["left"] / temperature).softmax(-1)
    expected = temperature * (student - teacher) / 2 * VALID[..., None]
    torch.testing.assert_close(gradient(True), expected)
    assert not torch.allclose(gradient(False), expected, rtol=1e-3)


def test_what_stands_on_padded_frames_does_not_change_the_masked_loss() -> None:
    heads = two_heads(requires_grad=True)
    clean = distillation_loss(heads, ensemble_log_probs(heads.values()), VALID)
    dirty = {n: logits.masked_fill(~VALID[..., None], 7.0) for n, logits in heads.items()}
    assert torch.equal(distillation_loss(dirty, ensemble_log_probs(dirty.values()), VALID), clean)
