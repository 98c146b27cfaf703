"""The guides' SGR: one learned matrix between joints, mixed into the attention of every block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

SgrActivation = Literal["softmax", "sigmoid", "tanh", "relu", "identity"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda matrix: matrix.softmax(-1),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda matrix: matrix,
}


class GlobalAttention(nn.Module):
    """A matrix over joints, the identity at first; rows receive, columns give.

    It exists in full size from the start. Streams of fewer joints use its upper left corner, so
    that one object can serve several streams.
    """

    def __init__(
        self, *, max_points: int, activation: SgrActivation = "softmax", mix: float = 0.5
    ) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]
        self.mix = mix
        self.matrix = nn.Parameter(torch.eye(max_points))

    def forward(self, local: Tensor, joint_valid: Tensor) -> Tensor:
        """Replace the share `mix` of the attention by the matrix.

        The matrix goes through the activation, loses what is negative and the columns of joints
        that are not valid; then each row is divided by its sum.

        Args:
            local: (B, S, V, V) maps; their third axis gives, their fourth receives.
            joint_valid: (B, V) bool, True for joints seen in the clip.

        Returns: (B, S, V, V).
        """
        v = local.shape[-1]
        weights = self.activation(self.matrix[:v, :v]).clamp(min=0)
        weights = weights * joint_valid[:, None]  # (B, V, V)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
        return torch.lerp(local, weights.transpose(1, 2)[:, None], self.mix)
