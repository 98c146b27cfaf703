"""A pre-norm transformer layer whose mask can never produce NaN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward part, residual, norm first (Xiong et al. 2020)."""

    def __init__(self, *, width: int, heads: int, dropout: float, ff_multiplier: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.ff = nn.Sequential(
            nn.Linear(width, ff_multiplier * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(ff_multiplier * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Mix tokens that are valid.

        Args:
            x: (N, S, D) tokens.
            valid: (N, S) bool, True where a token may be attended to. A token always sees itself,
                so a row without any valid token stays finite.

        Returns: (N, S, D).
        """
        x = x + self.drop(self._attend(self.norm1(x), valid))
        return x + self.drop(self.ff(self.norm2(x)))

    def _attend(self, x: Tensor, valid: Tensor) -> Tensor:
        n, s, d = x.shape
        q, k, v = self.qkv(x).view(n, s, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        itself = torch.eye(s, dtype=torch.bool, device=x.device)
        mask = valid[:, None, None, :] | itself  # (N, 1, S, S)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        return self.out(y.transpose(1, 2).reshape(n, s, d))
