"""Self-distillation between views of one image: DINO (Caron et al. 2021, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Centre(nn.Module):
    """Running mean of the teacher's logits, taken off them so that no output dominates."""

    value: Tensor

    def __init__(self, prototypes: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))

    def targets(self, teacher: Tensor, temperature: float) -> Tensor:
        """Probabilities softmax((teacher - c) / temperature) of logits (..., K)."""
        return ((teacher - self.value) / temperature).softmax(dim=-1)

    @torch.no_grad()
    def update(self, teacher: Tensor) -> None:
        """c <- m c + (1 - m) mean(teacher); call it after the targets of this batch are made."""
        self.value.lerp_(teacher.flatten(0, -2).mean(dim=0), 1 - self.momentum)


def dino_loss(student: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean cross-entropy over all pairs of a teacher view and another student view.

    `student` (S, B, K) logits, `targets` (G, B, K) probabilities; the first G student views are the
    teacher's own, and a view is never compared with itself.
    """
    log_probs = (student / temperature).log_softmax(dim=-1)
    entropy = -torch.einsum("gbk,sbk->gs", targets, log_probs) / student.shape[1]
    views, teacher_views = student.shape[0], targets.shape[0]
    same = torch.eye(teacher_views, views, dtype=torch.bool, device=student.device)
    return entropy.masked_fill(same, 0).sum() / (teacher_views * (views - 1))
