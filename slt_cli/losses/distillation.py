"""Self-distillation between gloss heads: all of them together teach each one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def ensemble_log_probs(logits: Iterable[Tensor], temperature: float = 1.0) -> Tensor:
    """Log of the mean of the heads' probabilities softmax(logits / temperature).

    `logits` of the same shape (..., K); the result has it too and is normalised over K.
    """
    heads = torch.stack([_log_probs(one, temperature) for one in logits])
    # The sum of the heads, normalised again: dividing by their number would leave rounding errors.
    return heads.logsumexp(0).log_softmax(-1)


def distillation_loss(
    logits: Mapping[str, Tensor],
    ensemble: Tensor,
    valid: Tensor,
    *,
    temperature: float = 1.0,
    detach_teacher: bool = True,
    masked: bool = True,
) -> Tensor:
    """Sum over the heads of T^2 KL(ensemble || head), per clip.

    Guan et al. (2024) with the temperature T of Hinton et al. (2015, section 2): both sides are
    softened by it, and T^2 keeps the size of the gradients.

    Args:
        logits: head -> (B, T, K).
        ensemble: (B, T, K) log-probabilities of all heads together at temperature 1; at another
            temperature they are made again from `logits`.
        valid: (B, T) bool.
        temperature: above 0.
        detach_teacher: no gradient flows into the ensemble.
        masked: only valid frames count; otherwise padded ones too, as published.

    Returns: scalar, summed over heads, classes and frames, divided by B.
    """
    teacher = ensemble if temperature == 1 else ensemble_log_probs(logits.values(), temperature)
    if detach_teacher:
        teacher = teacher.detach()
    total = torch.stack([_divergence(teacher, _log_probs(one, temperature))
                         for one in logits.values()]).sum(0)  # (B, T)  # fmt: skip
    if masked:
        total = total.masked_fill(~valid, 0)
    return temperature**2 * total.sum() / len(total)


def _log_probs(logits: Tensor, temperature: float) -> Tensor:
    precise = torch.promote_types(logits.dtype, torch.float32)
    return (logits / temperature).log_softmax(-1, dtype=precise)


def _divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities (..., K) -> (...)."""
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)
