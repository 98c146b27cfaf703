"""Tensors under the names of the published checkpoints, and the same ones of our modules."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

# Ours -> theirs, within a block.
CHILDREN = {
    "qk": "in_nets",
    "out.linear": "out_nets.0",
    "out.norm": "out_nets.1",
    "ff.linear": "ff_nets.0",
    "ff.norm": "ff_nets.1",
    "temporal.conv": "out_nett.0",
    "temporal.norm": "out_nett.1",
    "out_residual.linear": "downs1.0",
    "out_residual.norm": "downs1.1",
    "ff_residual.linear": "downs2.0",
    "ff_residual.norm": "downs2.1",
    "temporal_residual.linear": "downt2.0",
    "temporal_residual.norm": "downt2.1",
    "alpha": "alphas",
    "global_map": "attention0s",
}


def name_in_block(ours: str) -> str:
    """The published name of a parameter or buffer of a block."""
    child = next(c for c in CHILDREN if ours == c or ours.startswith(c + "."))
    return CHILDREN[child] + ours[len(child) :]


def load_block(block: nn.Module, published: Mapping[str, Tensor]) -> None:
    """Every tensor is used once; shapes differ by axes of size one only."""
    left = {k: v for k, v in published.items() if not k.endswith("num_batches_tracked")}
    for name, ours in block.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            ours.copy_(left.pop(name_in_block(name)).reshape(ours.shape))
    assert not left, left.keys()
