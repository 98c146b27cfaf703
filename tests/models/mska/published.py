"""Weights under the names of the published checkpoints, into our modules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

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


def load_block(block: nn.Module, published: Mapping[str, np.ndarray]) -> None:
    """Every tensor is used once; shapes differ by axes of size one only."""
    left = dict(published)
    for name, ours in block.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        child = next(c for c in CHILDREN if name == c or name.startswith(c + "."))
        theirs = torch.from_numpy(left.pop(CHILDREN[child] + name[len(child) :]))
        ours.copy_(theirs.reshape(ours.shape))
    assert not left, left


def load_stack(stack: nn.Module, published: Mapping[str, np.ndarray], stream: str) -> None:
    """The stream `left`, `right`, `face` or `body` of the published four."""
    prefix = f"visual_backbone_keypoint.{stream}_"
    own = {k.removeprefix(prefix): v for k, v in published.items() if k.startswith(prefix)}
    for theirs, ours in (("0", stack.input_map.linear), ("1", stack.input_map.norm)):
        for name, tensor in ours.state_dict().items():
            if name != "num_batches_tracked":
                source = torch.from_numpy(own[f"input_map.{theirs}.{name}"])
                tensor.copy_(source.reshape(tensor.shape))
    for i, block in enumerate(stack.blocks):
        start = f"graph_layers.{i}."
        load_block(block, {k[len(start) :]: v for k, v in own.items() if k.startswith(start)})
