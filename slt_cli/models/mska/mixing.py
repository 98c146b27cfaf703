"""Attention between joints, without keeping its large intermediate tensors.

The queries and keys (twice heads * width) and the joints mixed by every head (heads * C) are many
times larger than the input. On CPUs, both functions make them for one clip at a time, use them at
once, and make them again for the gradient: little memory, and what they work on stays in the cache.
There they also work in single precision under autocast, because they write into given memory.
Elsewhere, and in traced graphs, they are the formulas of their docstrings, written down.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd

_SINGLE = custom_fwd(device_type="cpu", cast_inputs=torch.float32)


def joint_scores(
    x: Tensor, presence: Tensor, weight: Tensor, offset: Tensor, *, heads: int
) -> Tensor:
    """Inner products of queries and keys, summed over the frames of a clip.

    Queries and keys are `x @ weight.T + offset`, and a joint counts as much as it is present.

    Args:
        x: (B, V, T, C).
        presence: (B, V, T) from 0 (missing) to 1.
        weight: (2 * S * E, C) to the queries of S heads, head after head, then to their keys.
        offset: (V, 2 * S * E) added for each joint: bias and position.
        heads: S.

    Returns: (B, S, V, V); the third axis is the query's joint.
    """
    weight = weight.view(2 * heads, -1, x.shape[-1])  # (2S, E, C)
    offset = offset.view(len(offset), 2 * heads, -1).transpose(0, 1)  # (2S, V, E)
    if _clip_by_clip(x):
        return _JointScores.apply(x, presence, weight, offset)
    both = torch.einsum("bvtc,hec->bhvte", x * presence[..., None], weight)
    q, k = (both + presence[:, None, :, :, None] * offset[:, :, None]).chunk(2, dim=1)
    return torch.einsum("bsute,bsvte->bsuv", q, k)


def mix_joints(x: Tensor, presence: Tensor, maps: Tensor, weight: Tensor) -> Tensor:
    """Mix the joints by the map of each head, lay the heads side by side, project.

    Args:
        x: (B, V, T, C) values, which weigh as much as they are present.
        presence: (B, V, T) from 0 (missing) to 1.
        maps: (B, S, U, V); joint v of the result is the sum over u of x[u] * map[u, v].
        weight: (D, S * C), head after head.

    Returns: (B, V, T, D).
    """
    weight = weight.view(len(weight), maps.shape[1], -1)  # (D, S, C)
    if _clip_by_clip(x):
        return _MixJoints.apply(x, presence, maps, weight)
    mixed = torch.einsum("butc,bsuv->bsvtc", x * presence[..., None], maps)
    return torch.einsum("bsvtc,dsc->bvtd", mixed, weight)


class _JointScores(torch.autograd.Function):
    @staticmethod
    @_SINGLE
    def forward(ctx, x, presence, weight, offset):
        ctx.save_for_backward(x, presence, weight, offset)
        (b, v, t, c), (h, e, _) = x.shape, weight.shape
        scores = x.new_empty(b, h // 2, v, v)
        rows, both = x.new_empty(v, t, c), x.new_empty(h, v, t, e)
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=rows)
            q, k = _queries_and_keys(rows, presence[i], weight, offset, out=both)
            torch.bmm(q, k.transpose(1, 2), out=scores[i])
        return scores

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx, dscores):
        x, presence, weight, offset = ctx.saved_tensors
        (b, v, t, c), (h, e, _) = x.shape, weight.shape
        dx = torch.empty_like(x)
        dweight, doffset = x.new_zeros(h * e, c), x.new_zeros(v, 1, h * e)
        rows, both, dboth = x.new_empty(v, t, c), x.new_empty(h, v, t, e), x.new_empty(h, v, t, e)
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=rows)
            q, k = _queries_and_keys(rows, presence[i], weight, offset, out=both)
            dq, dk = dboth.view(2, h // 2, v, t * e)
            torch.bmm(dscores[i], k, out=dq)
            torch.bmm(dscores[i].transpose(1, 2), q, out=dk)
            wide = both.view(v, t, h, e).copy_(dboth.permute(1, 2, 0, 3))  # heads side by side
            doffset.baddbmm_(presence[i, :, None], wide.view(v, t, h * e))
            wide = wide.view(v * t, h * e)
            dweight.addmm_(wide.t(), rows.view(v * t, c))
            torch.mm(wide, weight.view(h * e, c), out=dx[i].view(v * t, c))
            dx[i] *= presence[i, ..., None]
        return dx, None, dweight.view(h, e, c), doffset.view(v, h, e).transpose(0, 1)


def _queries_and_keys(
    rows: Tensor, seen: Tensor, weight: Tensor, offset: Tensor, *, out: Tensor
) -> tuple[Tensor, Tensor]:
    """Two (S, V, T * E) of one clip, in the memory of `out` (2S, V, T, E)."""
    h, v, t, e = out.shape
    flat = rows.view(1, v * t, -1).expand(h, -1, -1)
    torch.bmm(flat, weight.transpose(1, 2), out=out.view(h, v * t, e))
    out.addcmul_(seen[..., None], offset[:, :, None])
    q, k = out.view(2, h // 2, v, t * e)
    return q, k


class _MixJoints(torch.autograd.Function):
    @staticmethod
    @_SINGLE
    def forward(ctx, x, presence, maps, weight):
        ctx.save_for_backward(x, presence, maps, weight)
        (b, v, t, c), (d, heads, _) = x.shape, weight.shape
        per_head = weight.permute(1, 2, 0).contiguous()  # (S, C, D)
        y = x.new_empty(b, v, t, d)
        values, mixed = x.new_empty(v, t, c), x.new_empty(heads, v * t, c)
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=values)
            _mix(values, maps[i], out=mixed)
            rows = torch.mm(mixed[0], per_head[0], out=y[i].view(v * t, d))
            for head in range(1, heads):
                rows.addmm_(mixed[head], per_head[head])
        return y

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx, dy):
        x, presence, maps, weight = ctx.saved_tensors
        (b, v, t, c), (d, heads, _) = x.shape, weight.shape
        dy, per_head = dy.contiguous(), weight.transpose(0, 1).contiguous()  # (S, D, C)
        dx, dmaps, dper_head = map(torch.empty_like, (x, maps, per_head))
        dper_head.zero_()
        values = x.new_empty(v, t, c)
        mixed, dmixed = x.new_empty(heads, v * t, c), x.new_empty(heads, v * t, c)
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=values)
            _mix(values, maps[i], out=mixed)
            drows = dy[i].view(1, v * t, d).expand(heads, -1, -1)
            dper_head.baddbmm_(drows.transpose(1, 2), mixed)
            torch.bmm(drows, per_head, out=dmixed)
            flat = dmixed.view(heads * v, t * c)
            dmaps[i] = (flat @ values.view(v, t * c).t()).view(heads, v, v).transpose(1, 2)
            all_heads = maps[i].transpose(0, 1).reshape(v, heads * v)
            torch.mm(all_heads, flat, out=dx[i].view(v, t * c))
            dx[i] *= presence[i, ..., None]
        return dx, None, dmaps, dper_head.transpose(0, 1)


def _mix(values: Tensor, maps: Tensor, *, out: Tensor) -> None:
    """Joints (V, T, C) of one clip mixed by each of its maps (S, V, V), into (S, V * T, C)."""
    (v, t, c), heads = values.shape, len(maps)
    by_row = maps.transpose(1, 2).reshape(heads * v, v)
    torch.mm(by_row, values.view(v, t * c), out=out.view(heads * v, t * c))


def _clip_by_clip(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling()
