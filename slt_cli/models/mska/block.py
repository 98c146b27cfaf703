"""One block of a keypoint stream: attention between joints, then a convolution over time.

Tensors are (B, V, T, C): all frames of a joint lie together, channels last. A linear map is then
one large matrix product, and so is everything the attention does with a clip.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slt_cli.models.mska.mixing import joint_scores, mix_joints
from slt_cli.models.mska.norm import MaskedBatchNorm
from slt_cli.models.mska.sgr import GlobalAttention


class SpatialTemporalBlock(nn.Module):
    """Attention between joints over a whole clip, feed-forward, temporal convolution.

    The block of DSTA-Net (Shi et al. 2020) as MSKA uses it (Guan et al. 2024, section 3.2): one
    map per head and clip, made of the tanh of the scores and of a free map that all clips share.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        *,
        num_points: int,
        heads: int,
        head_width: int,
        kernel: int,
        stride: int,
        dilation: int,
        dropout: float,
        negative_slope: float,
    ) -> None:
        """`head_width`: channels of the queries and keys of one head."""
        super().__init__()
        self.heads, self.head_width, self.stride = heads, head_width, stride
        self.negative_slope = negative_slope
        self.register_buffer("positions", sinusoids(num_points, in_width), persistent=False)
        self.qk = _linear(in_width, 2 * heads * head_width)
        self.alpha = nn.Parameter(torch.ones(heads, 1, 1))
        self.global_map = nn.Parameter(torch.full((heads, num_points, num_points), 1 / num_points))
        self.drop = nn.Dropout(dropout)
        self.out = NormedLinear(heads * in_width, out_width)
        self.ff = NormedLinear(out_width, out_width)
        self.temporal = NormedTemporalConv(out_width, kernel, stride=stride, dilation=dilation)
        self.out_residual = self.ff_residual = self.temporal_residual = None
        if stride > 1 or in_width != out_width:
            self.out_residual = NormedLinear(in_width, out_width)
            self.ff_residual = NormedLinear(in_width, out_width)
            self.temporal_residual = NormedLinear(out_width, out_width, stride=stride)

    def forward(
        self,
        x: Tensor,
        presence: Tensor,
        frame_valid: Tensor | None,
        sgr: GlobalAttention | None = None,
    ) -> Tensor:
        """Run the block.

        Args:
            x: (B, V, T, C).
            presence: (B, V, T), how much each joint counts: 0 where missing or padded, 1 if seen.
            frame_valid: (B, T) bool, or None where no frame is padded.
            sgr: mixed into the attention.

        Returns: (B, V, T', D), T' = ceil(T / stride).
        """
        maps = self.drop(self.attention(x, presence, sgr))
        h = mix_joints(x, presence, maps, self.out.linear.weight)
        h = self.out.normalise(h, frame_valid)
        h = self._join(h, x, self.out_residual, frame_valid)
        h = self._join(self.ff(h, frame_valid), x, self.ff_residual, frame_valid)
        z = self.temporal(h, frame_valid)
        return self._join(z, h, self.temporal_residual, frame_valid)

    def attention(self, x: Tensor, presence: Tensor, sgr: GlobalAttention | None = None) -> Tensor:
        """The maps (B, S, V, V) of x (B, V, T, C): entry [u, v] is what joint u gives to v.

        A score is the mean over the frames in which both joints are present, so that neither the
        padding of a batch nor missing joints change its size. Positions enter here only.
        """
        offset = self.qk(self.positions)
        scores = joint_scores(x, presence, self.qk.weight, offset, heads=self.heads)
        together = (presence @ presence.transpose(1, 2)).clamp(min=1e-6)  # (B, V, V)
        mean = scores / (self.head_width * together[:, None])
        local = torch.tanh(mean) * self.alpha + self.global_map
        return local if sgr is None else sgr(local, (presence > 0).any(-1))

    def _join(
        self, y: Tensor, x: Tensor, residual: NormedLinear | None, frame_valid: Tensor | None
    ) -> Tensor:
        """Activation of y + residual(x). It overwrites y, which no gradient needs."""
        y += x if residual is None else residual(x, frame_valid)
        return F.leaky_relu_(y, self.negative_slope)


class NormedLinear(nn.Module):
    """A linear map of every joint and every `stride`-th frame, then batch norm."""

    def __init__(self, in_width: int, out_width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.linear = _linear(in_width, out_width)
        self.norm = MaskedBatchNorm(out_width)

    def forward(self, x: Tensor, frame_valid: Tensor | None) -> Tensor:
        """(B, V, T, C), (B, T) bool or None -> (B, V, T', D)."""
        if frame_valid is not None:
            frame_valid = every(frame_valid, 1, self.stride)
        return self.normalise(F.linear(every(x, 2, self.stride), self.linear.weight), frame_valid)

    def normalise(self, y: Tensor, frame_valid: Tensor | None) -> Tensor:
        """Bias and batch norm of what the weights made: (B, V, T', D) -> the same."""
        return self.norm(y, _over_joints(frame_valid), shift=self.linear.bias)


class NormedTemporalConv(nn.Module):
    """A convolution over the frames of each joint, then batch norm. Padded frames count as zero."""

    def __init__(self, width: int, kernel: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            width, width, (1, kernel), stride=(1, stride), dilation=(1, dilation),
            padding=(0, dilation * (kernel // 2)),
        )  # fmt: skip
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(self.conv.bias)
        self.norm = MaskedBatchNorm(width)

    def forward(self, x: Tensor, frame_valid: Tensor | None) -> Tensor:
        """(B, V, T, C), (B, T) bool or None -> (B, V, T', C)."""
        if frame_valid is not None:
            x = x * frame_valid[:, None, :, None]
            frame_valid = every(frame_valid, 1, self.conv.stride[1])
        conv = self.conv
        y = F.conv2d(
            x.permute(0, 3, 1, 2), conv.weight, None, conv.stride, conv.padding, conv.dilation
        )
        y = y.permute(0, 2, 3, 1).contiguous()
        return self.norm(y, _over_joints(frame_valid), shift=conv.bias)


def sinusoids(length: int, width: int) -> Tensor:
    """(length, C) table of Vaswani et al. (2017), section 3.5; sine and cosine take turns."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]


def every(x: Tensor, axis: int, stride: int) -> Tensor:
    """Every `stride`-th entry along an axis, from the first one."""
    if torch.compiler.is_compiling():  # a length that the tracer knows to be a convolution's
        index = torch.arange((x.shape[axis] - 1) // stride + 1, device=x.device) * stride
        return x.index_select(axis, index)
    return x[(slice(None),) * axis + (slice(None, None, stride),)]


def _over_joints(frame_valid: Tensor | None) -> Tensor | None:
    """(B, T) -> (B, 1, T), the same for all joints."""
    return None if frame_valid is None else frame_valid[:, None]


def _linear(in_width: int, out_width: int) -> nn.Linear:
    linear = nn.Linear(in_width, out_width)
    nn.init.kaiming_normal_(linear.weight, mode="fan_out")
    nn.init.zeros_(linear.bias)
    return linear
