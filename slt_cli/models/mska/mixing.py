"""Attention between joints, without keeping its large intermediate tensors.

The queries and keys (twice heads * width) and the joints mixed by every head (heads * C) are many
times larger than the input. Both functions make them for one clip at a time, use them at once, and
make them again for the gradient: little memory, and what they work on stays in the cache.
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
    if torch.compiler.is_compiling():
        seen = presence[:, None, :, :, None]
        both = torch.einsum("bvtc,hce->bhvte", x * presence[..., None], weight)
        q, k = (both + seen * offset[:, :, None]).chunk(2, dim=1)
        return torch.einsum("bsute,bsvte->bsuv", q, k)
    return _JointScores.apply(x, presence, weight, offset)


def mix_joints(x: Tensor, presence: Tensor, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mix the joints by the map of each head, lay the heads side by side, project.

    Args:
        x: (B, V, T, C) values, which weigh as much as they are present.
        presence: (B, V, T) from 0 (missing) to 1.
        maps: (B, S, U, V); joint v of the result is the sum over u of x[u] * map[u, v].
        weight: (D, S * C), head after head.
        bias: (D,).

    Returns: (B, V, T, D).
    """
    if torch.compiler.is_compiling():
        per_head = weight.view(weight.shape[0], maps.shape[1], x.shape[-1])
        mixed = torch.einsum("butc,bsuv->bsvtc", x * presence[..., None], maps)
        return torch.einsum("bsvtc,dsc->bvtd", mixed, per_head) + bias
    return _MixJoints.apply(x, presence, maps, weight, bias)


def _queries_and_keys(
    rows: Tensor, seen: Tensor, weight: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Two (S, V, T * E) of one clip; rows (V * T, C) and seen (V, T)."""
    (v, t), (h, _, e) = seen.shape, weight.shape
    both = torch.bmm(rows.expand(h, -1, -1), weight).view(h, v, t, e)
    both.addcmul_(seen[..., None], offset[:, :, None])
    q, k = both.view(2, h // 2, v, t * e)
    return q, k


class _JointScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, presence, weight, offset):
        ctx.save_for_backward(x, presence, weight, offset)
        b, v, t, c = x.shape
        scores = x.new_empty(b, weight.shape[0] // 2, v, v)
        for i in range(b):
            rows = (x[i] * presence[i, ..., None]).view(v * t, c)
            q, k = _queries_and_keys(rows, presence[i], weight, offset)
            torch.bmm(q, k.transpose(1, 2), out=scores[i])
        return scores

    @staticmethod
    def backward(ctx, dscores):
        x, presence, weight, offset = ctx.saved_tensors
        (b, v, t, c), (h, _, e) = x.shape, weight.shape
        dx = torch.empty_like(x)
        dweight, doffset = torch.zeros_like(weight), torch.zeros_like(offset)
        back = weight.transpose(1, 2).contiguous()
        for i in range(b):
            seen = presence[i]
            rows = (x[i] * seen[..., None]).view(v * t, c)
            q, k = _queries_and_keys(rows, seen, weight, offset)
            both = rows.new_empty(2, h // 2, v, t * e)
            torch.bmm(dscores[i], k, out=both[0])
            torch.bmm(dscores[i].transpose(1, 2), q, out=both[1])
            doffset += torch.matmul(seen[:, None], both.view(h, v, t, e)).squeeze(2)
            both = both.view(h, v * t, e)
            dweight.baddbmm_(rows.t().expand(h, -1, -1), both)
            drows = dx[i].view(v * t, c)
            torch.mm(both[0], back[0], out=drows)
            for head in range(1, h):
                drows.addmm_(both[head], back[head])
            dx[i] *= seen[..., None]
        return dx, None, dweight, doffset


class _MixJoints(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, presence, maps, weight, bias):
        ctx.save_for_backward(x, presence, maps, weight)
        (b, v, t, c), heads = x.shape, maps.shape[1]
        per_head = _per_head(weight, heads)
        y = x.new_empty(b, v, t, weight.shape[0])
        for i in range(b):
            values = (x[i] * presence[i, ..., None]).view(v, t * c)
            rows = y[i].view(v * t, -1)
            rows.copy_(bias)
            for head in range(heads):
                mixed = (maps[i, head].t() @ values).view(v * t, c)
                rows.addmm_(mixed, per_head[head])
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
        for i in range(b):
            values = (x[i] * presence[i, ..., None]).view(v, t * c)
            drows, dvalues = dy[i].view(v * t, -1), dx[i].view(v, t * c).zero_()
            for head in range(heads):
                mixed = (maps[i, head].t() @ values).view(v * t, c)
                dweight[head].addmm_(mixed.t(), drows)
                dmixed = (drows @ back[head]).view(v, t * c)
                torch.mm(values, dmixed.t(), out=dmaps[i, head])
                dvalues.addmm_(maps[i, head], dmixed)
            dx[i] *= presence[i, ..., None]
        dweight = dweight.permute(2, 0, 1).reshape_as(weight)
        return dx, None, dmaps, dweight, dy.sum((0, 1, 2))


def _per_head(weight: Tensor, heads: int) -> Tensor:
    """(D, S * C) -> (S, C, D)."""
    return weight.view(weight.shape[0], heads, -1).permute(1, 2, 0).contiguous()
