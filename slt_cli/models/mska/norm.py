"""Batch norm whose training statistics leave padded frames out."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """Batch norm over every axis but the last, with the state-dict keys of `nn.BatchNorm1d`.

    Training statistics (Ioffe and Szegedy 2015) come from valid frames only and, under
    `torch.distributed`, from all processes; evaluation uses the running statistics. Half precision
    is computed in single. `learns` off, a training pass leaves the running statistics alone: for a
    pass that only repeats another one.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.learns = True
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(
        self, x: Tensor, frame_valid: Tensor | None = None, *, shift: Tensor | None = None
    ) -> Tensor:
        """Normalise each channel of x + shift.

        Args:
            x: (B, T, ..., C); padded frames may hold any finite value.
            frame_valid: (B, T) bool, or None where every frame is valid. Further leading axes of
                `x` may be given too, with size one where the mask is the same along them.
            shift: (C,) bias of the map that made `x`. Training cancels it, so adding it here costs
                no pass over `x`; only the running mean knows of it.

        Returns: (B, T, ..., C), a tensor of its own that may be overwritten. What it holds on
            padded frames is finite and of no use.
        """
        if x.dtype in (torch.bfloat16, torch.float16):
            return self.forward(x.float(), frame_valid, shift=shift).to(x.dtype)
        if not self.training:
            return self._by_running_statistics(x, shift)
        mean, var = self.running_mean, self.running_var
        if not self.learns:
            mean, var = mean.clone(), var.clone()
        else:
            self.num_batches_tracked += 1
        if shift is None:
            return self._by_batch_statistics(x, frame_valid, mean, var, self.bias)
        bias = self.bias + 0 * shift  # its gradient is zero, not None
        shifted = mean - shift.detach()
        y = self._by_batch_statistics(x, frame_valid, shifted, var, bias)
        mean.copy_(shifted + shift.detach())
        return y

    def _by_running_statistics(self, x: Tensor, shift: Tensor | None) -> Tensor:
        # One pass over x, and two nodes in a graph instead of a dozen.
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        mean = self.running_mean if shift is None else self.running_mean - shift
        return torch.addcmul(self.bias - mean * scale, x, scale)

    def _by_batch_statistics(
        self,
        x: Tensor,
        frame_valid: Tensor | None,
        running_mean: Tensor,
        running_var: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """Normalise by the statistics of the batch, and move the running ones."""
        rows = x.reshape(-1, x.shape[-1])
        if frame_valid is None and _processes() == 1 and len(rows) > 1:
            y = F.batch_norm(
                rows, running_mean, running_var, self.weight, bias, True, self.momentum, self.eps,
            )  # fmt: skip
            return _reshaped(y, x)
        mask = x.new_ones(x.shape[:-1])
        if frame_valid is not None:
            axes = (1,) * (mask.ndim - frame_valid.ndim)
            mask = mask * frame_valid.view(*frame_valid.shape, *axes)
        y, mean, var, count = _NormaliseValid.apply(
            rows, mask.view(-1, 1), self.weight, bias, self.eps
        )
        with torch.no_grad():  # as nn.BatchNorm: the running variance is the unbiased one
            step = self.momentum * (count > 0).to(mean.dtype)
            running_mean.lerp_(mean, step)
            running_var.lerp_(var * count / (count - 1).clamp(min=1), step)
        return _reshaped(y, x)


class _NormaliseValid(torch.autograd.Function):
    """Batch norm of (N, C) rows by the statistics of those with mask 1; the others count as zeros.

    Also returned: mean, variance and number of the rows with mask 1, in all processes.
    """

    @staticmethod
    def forward(ctx, x, mask, weight, bias, eps):
        x = x * mask
        mean, var = torch.batch_norm_update_stats(x, None, None, 0.0)  # with the zeros
        sums = torch.stack([mean, var + mean.double().square()]) * len(x)
        count, sums = _sum_over_processes(mask.sum(dtype=torch.double), sums)
        mean, squares = sums / count.clamp(min=1)
        var = (squares - mean.square()).clamp(min=0)
        mean, var, count = mean.to(x.dtype), var.to(x.dtype), count.to(x.dtype)
        ctx.save_for_backward(x, mask, weight, mean, var, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var, count)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, count

    @staticmethod
    def backward(ctx, dy, *_):
        x, mask, weight, mean, var, count = ctx.saved_tensors
        # As if the statistics were constants ...
        dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
            dy.contiguous(), x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        # ... and the part that goes through them: valid rows alone moved them.
        sums = _sum_over_processes(dweight.clone(), dbias.clone())
        mean_dweight, mean_dbias = (total / count.clamp(min=1) for total in sums)
        scale = torch.rsqrt(var + ctx.eps)
        slope = weight * scale * scale * mean_dweight
        start = weight * scale * mean_dbias - slope * mean
        dx.addcmul_(x, -slope).sub_(start).mul_(mask)
        return dx, None, dweight, dbias, None


def _reshaped(rows: Tensor, x: Tensor) -> Tensor:
    """`rows` in the shape of x. Not a view to autograd, which copies views that are overwritten."""
    return torch.ops.aten._unsafe_view(rows, x.shape)


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum_over_processes(*tensors: Tensor) -> tuple[Tensor, ...]:
    if _processes() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
    return tensors
