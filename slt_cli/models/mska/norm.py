"""Batch norm whose training statistics leave padded frames out."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """Batch norm over every axis but the last, with the state-dict keys of `nn.BatchNorm1d`.

    Training statistics (Ioffe and Szegedy 2015) come from valid frames only and, under
    `torch.distributed`, from all processes; evaluation uses the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor, frame_valid: Tensor | None = None) -> Tensor:
        """Normalise each channel.

        Args:
            x: (B, T, ..., C); padded frames may hold any finite value.
            frame_valid: (B, T) bool, or None where every frame is valid. Further leading axes of
                `x` may be given too, with size one where the mask is the same along them.

        Returns: (B, T, ..., C); padded frames are normalised like the others.
        """
        rows = x.reshape(-1, x.shape[-1])
        if self.training:
            self.num_batches_tracked += 1
        if self.training and (frame_valid is not None or _processes() > 1 or len(rows) < 2):
            return self._normalise_valid(x, frame_valid)
        return F.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias,
            self.training, self.momentum, self.eps,
        ).view_as(x)  # fmt: skip

    def _normalise_valid(self, x: Tensor, frame_valid: Tensor | None) -> Tensor:
        mask = x.new_ones(x.shape[:-1])
        if frame_valid is not None:
            mask = mask * frame_valid.view(*frame_valid.shape, *[1] * (mask.ndim - frame_valid.ndim))
        rows = x.reshape(-1, x.shape[-1])
        y, mean, var, count = _NormaliseValid.apply(
            rows, mask.view(-1), self.weight, self.bias, self.eps
        )
        with torch.no_grad():  # as nn.BatchNorm: the running variance is the unbiased one
            step = self.momentum * (count > 0).to(mean.dtype)
            self.running_mean.lerp_(mean, step)
            self.running_var.lerp_(var * count / (count - 1).clamp(min=1), step)
        return y.view_as(x)


class _NormaliseValid(torch.autograd.Function):
    """(N, C) rows to normalised rows, and the mean, variance and number of rows with mask 1."""

    @staticmethod
    def forward(ctx, x, mask, weight, bias, eps):
        count, total = _sum_over_processes(mask.sum().view(1), mask @ x)
        mean = total / count.clamp(min=1)
        (squares,) = _sum_over_processes(mask @ (x - mean).square_())
        var = squares / count.clamp(min=1)
        scale = torch.rsqrt(var + eps)
        ctx.save_for_backward(x, mask, weight, mean, scale, count)
        ctx.mark_non_differentiable(mean, var, count)
        y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
        return y, mean, var, count

    @staticmethod
    def backward(ctx, dy, *_):
        x, mask, weight, mean, scale, count = ctx.saved_tensors
        centred = (x - mean).mul_(scale)
        dbias = dy.sum(0)
        dweight = torch.einsum("nc,nc->c", dy, centred)
        # Only valid rows moved the statistics, yet every row was normalised with them.
        sum_dy, sum_dy_x = _sum_over_processes(dbias.clone(), dweight.clone())
        n = count.clamp(min=1)
        through_statistics = centred.mul_(sum_dy_x / n).add_(sum_dy / n).mul_(mask[:, None])
        dx = (dy - through_statistics).mul_(weight * scale)
        return dx, None, dweight, dbias, None


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum_over_processes(*tensors: Tensor) -> tuple[Tensor, ...]:
    if _processes() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
    return tensors
