"""A gloss head: features of a frame and its neighbours to gloss scores."""

from __future__ import annotations

from torch import Tensor, nn

from slt_cli.models.mska.block import sinusoids
from slt_cli.models.mska.norm import MaskedBatchNorm

KERNEL = 3  # frames that a temporal convolution sees


class GlossHead(nn.Module):
    """The head of Guan et al. (2024), with the steps that only their code shows.

    Linear, batch norm, ReLU, positions in time, a residual part of two temporal convolutions, layer
    norm: the gloss feature; a linear map to the classes. `num_classes` 0 leaves out that map.

    `masked`: padded frames enter neither norm nor convolution and come out as zeros. Otherwise as
    published: a convolution reads padded frames, and in training the batch norm skips them, so that
    they go on as they were; in evaluation it treats them like others.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        width: int,
        num_classes: int,
        ff_multiplier: int = 4,
        dropout: float = 0.1,
        masked: bool = True,
    ) -> None:
        super().__init__()
        self.masked = masked
        self.embed = nn.Linear(in_dim, width)
        self.embed_norm = MaskedBatchNorm(width)
        self.drop = nn.Dropout(dropout)
        self.ff_norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Conv1d(width, ff_multiplier * width, KERNEL, padding=KERNEL // 2)
        self.narrow = nn.Conv1d(ff_multiplier * width, width, KERNEL, padding=KERNEL // 2)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.classify = nn.Linear(width, num_classes) if num_classes else None

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, T, D_in), (B, T) bool -> gloss feature (B, T, D), logits (B, T, K) or None."""
        x = self._embed(x, valid)
        x = x + sinusoids(x.shape[1], x.shape[2]).to(x)
        x = self.drop(x)
        feature = self.norm(x + self._feed_forward(x, valid))
        if self.masked:
            feature = _without_padding(feature, valid)
        return feature, None if self.classify is None else self.classify(feature)

    def _embed(self, x: Tensor, valid: Tensor) -> Tensor:
        if self.masked:
            x = _without_padding(x, valid)
        x = self.embed(x)
        y = self.embed_norm(x, valid)
        if self.training and not self.masked:
            y = y.where(valid[..., None], x)
        return y.relu()

    def _feed_forward(self, x: Tensor, valid: Tensor) -> Tensor:
        y = self.ff_norm(x)
        y = self.drop(self._over_time(self.widen, y, valid).relu())
        return self.drop(self._over_time(self.narrow, y, valid))

    def _over_time(self, conv: nn.Conv1d, x: Tensor, valid: Tensor) -> Tensor:
        if self.masked:
            x = _without_padding(x, valid)
        return conv(x.transpose(1, 2)).transpose(1, 2)


def _without_padding(x: Tensor, valid: Tensor) -> Tensor:
    """Zeros on padded frames, whatever stood there, NaN included."""
    return x.masked_fill(~valid[..., None], 0)
