"""A pretrained text model cut down to the words of a corpus."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel


@torch.no_grad()
def keep_rows(model: PreTrainedModel, rows: Sequence[int]) -> None:
    """Make token i of `model` what token `rows[i]` was: its embedding, output weights and bias.

    A row may occur twice: two tokens that start alike. Tied weights stay tied. The logits of the
    kept tokens do not change. Special ids in the configuration are the caller's to set.
    """
    index = torch.tensor(list(rows))
    shared = model.get_input_embeddings().weight
    old = {id(shared), id(model.get_output_embeddings().weight)}
    kept: dict[int, nn.Parameter] = {}
    for module in model.modules():
        weight = module._parameters.get("weight")
        if weight is None or id(weight) not in old:
            continue
        if id(weight) not in kept:
            kept[id(weight)] = nn.Parameter(weight[index].clone())
        module.weight = kept[id(weight)]
        if isinstance(module, nn.Embedding):
            module.num_embeddings, module.padding_idx = len(rows), None
        elif isinstance(module, nn.Linear):
            module.out_features = len(rows)
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias = model.final_logits_bias[:, index].clone()
    model.config.vocab_size = len(rows)
