"""Student and teacher: one shape, two sets of weights (Caron et al. 2021, section 3.1)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from slt_cli.models.dino_head import DinoHead
from slt_cli.models.vit import VisionTransformer


class Branch(nn.Module):
    """A backbone with its projection head."""

    def __init__(self, backbone: VisionTransformer, head: DinoHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        """Class tokens (V, B, D) and logits (V, B, K) of groups of views (V_i, B, 3, H_i, W_i)."""
        features = torch.cat(
            [
                self.backbone(group.flatten(0, 1)).cls.unflatten(0, group.shape[:2])
                for group in views
            ]
        )
        return features, self.head(features.flatten(0, 1)).unflatten(0, features.shape[:2])


def make_teacher(student: Branch) -> Branch:
    """A copy that starts with the student's weights, drops nothing and gets no gradients."""
    return deepcopy(student).requires_grad_(False).eval()


@torch.no_grad()
def follow(teacher: Branch, student: Branch, momentum: float) -> None:
    """Exponential moving average: teacher <- m teacher + (1 - m) student."""
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast, 1 - momentum)
