"""Attention between joints, without keeping its large intermediate tensors.

The queries and keys (twice heads * width) and the joints mixed by every head (heads * C) are many
times larger than the input. On CPUs, both functions make them for one clip at a time, use them at
once, and make them again for the gradient: little memory, and what they work on stays in the cache.
Elsewhere, and in traced graphs, they are the formulas of their docstrings, written down.
"""

from __future__ import annotations

import torch
from torch import Tensor


def joint_scores(x: Tensor, presence: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """Inner products of queries and keys, summed over the frames of a clip.

    Queries and keys are `x @ weight + offset`, and a joint counts as much as it is present.

    Args:
        x: (B, V, T, C).
        presence: (B, V, T) from 0 (missing) to 1.
        weight: (2S, C, E) maps to the queries of S heads, then to their keys.
        offset: (2S, V, E) added for each joint: bias and position.

    Returns: (B, S, V, V); the third axis is the query's joint.
    """
    if not _clip_by_clip(x):
        seen = presence[:, None, :, :, None]
        both = torch.einsum("bvtc,hce->bhvte", x * presence[..., None], weight)
        q, k = (both + seen * offset[:, :, None]).chunk(2, dim=1)
        return torch.einsum("bsute,bsvte->bsuv", q, k)
    return _JointScores.apply(x, presence, weight, offset)


def mix_joints(x: Tensor, presence: Tensor, maps: Tensor, weight: Tensor) -> Tensor:
    """Mix the joints by the map of each head, lay the heads side by side, project.

    Args:
        x: (B, V, T, C) values, which weigh as much as they are present.
        presence: (B, V, T) from 0 (missing) to 1.
        maps: (B, S, U, V); joint v of the result is the sum over u of x[u] * map[u, v].
        weight: (D, S * C), head after head.

    Returns: (B, V, T, D).
    """
    if not _clip_by_clip(x):
        per_head = weight.view(weight.shape[0], maps.shape[1], x.shape[-1])
        mixed = torch.einsum("butc,bsuv->bsvtc", x * presence[..., None], maps)
        return torch.einsum("bsvtc,dsc->bvtd", mixed, per_head)
    return _MixJoints.apply(x, presence, maps, weight)


class _JointScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, presence, weight, offset):
        ctx.save_for_backward(x, presence, weight, offset)
        b, v, t, c = x.shape
        scores = x.new_empty(b, weight.shape[0] // 2, v, v)
        rows, both = x.new_empty(v, t, c), x.new_empty(len(weight), v, t, offset.shape[2])
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=rows)
            q, k = _queries_and_keys(rows, presence[i], weight, offset, out=both)
            torch.bmm(q, k.transpose(1, 2), out=scores[i])
        return scores

    @staticmethod
    def backward(ctx, dscores):
        x, presence, weight, offset = ctx.saved_tensors
        (b, v, t, c), (h, _, e) = x.shape, weight.shape
        dx = torch.empty_like(x)
        dweight, doffset = torch.zeros_like(weight), torch.zeros_like(offset)
        back = weight.transpose(1, 2).contiguous()
        rows, both, dboth = x.new_empty(v, t, c), x.new_empty(h, v, t, e), x.new_empty(h, v, t, e)
        for i in range(b):
            seen = presence[i, ..., None]
            torch.mul(x[i], seen, out=rows)
            q, k = _queries_and_keys(rows, presence[i], weight, offset, out=both)
            dq, dk = dboth.view(2, h // 2, v, t * e)
            torch.bmm(dscores[i], k, out=dq)
            torch.bmm(dscores[i].transpose(1, 2), q, out=dk)
            doffset += torch.matmul(seen.transpose(1, 2), dboth).squeeze(2)
            flat, dflat, drows = rows.view(v * t, c), dboth.view(h, v * t, e), dx[i].view(v * t, c)
            dweight.baddbmm_(flat.t().expand(h, -1, -1), dflat)
            torch.mm(dflat[0], back[0], out=drows)
            for head in range(1, h):
                drows.addmm_(dflat[head], back[head])
            dx[i] *= seen
        return dx, None, dweight, doffset


def _queries_and_keys(
    rows: Tensor, seen: Tensor, weight: Tensor, offset: Tensor, *, out: Tensor
) -> tuple[Tensor, Tensor]:
    """Two (S, V, T * E) of one clip, in the memory of `out` (2S, V, T, E)."""
    h, v, t, e = out.shape
    flat = rows.view(1, v * t, -1).expand(h, -1, -1)
    torch.bmm(flat, weight, out=out.view(h, v * t, e))
    out.addcmul_(seen[..., None], offset[:, :, None])
    q, k = out.view(2, h // 2, v, t * e)
    return q, k


class _MixJoints(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, presence, maps, weight):
        ctx.save_for_backward(x, presence, maps, weight)
        (b, v, t, c), heads = x.shape, maps.shape[1]
        per_head = _per_head(weight, heads)
        y = x.new_empty(b, v, t, len(weight))
        values, mixed = x.new_empty(v, t, c), x.new_empty(v, t, c)
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=values)
            rows = y[i].view(v * t, -1)
            for head in range(heads):
                torch.mm(maps[i, head].t(), values.view(v, t * c), out=mixed.view(v, t * c))
                _add_product(rows, mixed.view(v * t, c), per_head[head], first=head == 0)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, presence, maps, weight = ctx.saved_tensors
        (b, v, t, c), heads = x.shape, maps.shape[1]
        dy = dy.contiguous()
        per_head = _per_head(weight, heads)
        back = per_head.transpose(1, 2).contiguous()
        dx, dmaps = torch.empty_like(x), torch.empty_like(maps)
        dweight = torch.zeros_like(per_head)
        values, mixed, dmixed = (x.new_empty(v, t * c) for _ in range(3))
        for i in range(b):
            torch.mul(x[i], presence[i, ..., None], out=values.view(v, t, c))
            drows, dvalues = dy[i].view(v * t, -1), dx[i].view(v, t * c)
            for head in range(heads):
                torch.mm(maps[i, head].t(), values, out=mixed)
                dweight[head].addmm_(mixed.view(v * t, c).t(), drows)
                torch.mm(drows, back[head], out=dmixed.view(v * t, c))
                torch.mm(values, dmixed.t(), out=dmaps[i, head])
                _add_product(dvalues, maps[i, head], dmixed, first=head == 0)
            dx[i] *= presence[i, ..., None]
        return dx, None, dmaps, dweight.permute(2, 0, 1).reshape_as(weight)


def _clip_by_clip(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def _add_product(out: Tensor, a: Tensor, b: Tensor, *, first: bool) -> None:
    """Add a @ b to `out`, or write it there first."""
    if first:
        torch.mm(a, b, out=out)
    else:
        out.addmm_(a, b)


def _per_head(weight: Tensor, heads: int) -> Tensor:
    """(D, S * C) -> (S, C, D)."""
    return weight.view(weight.shape[0], heads, -1).permute(1, 2, 0).contiguous()
