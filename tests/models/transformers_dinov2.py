"""The DINOv2 of the transformers library with the weights of ours."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from transformers import (
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    PreTrainedModel,
)

from slt_cli.models.vit import VisionTransformer

RENAMED = {
    r"^(cls_token|mask_token|register_tokens)$": r"embeddings.\1",
    r"^pos_embed$": "embeddings.position_embeddings",
    r"^patch_embed\.proj\.": "embeddings.patch_embeddings.projection.",
    r"^norm\.": "layernorm.",
    r"^blocks\.": "encoder.layer.",
    r"\.attn\.proj\.": ".attention.o_proj.",
    r"\.ls(\d)\.gamma": r".layer_scale\1.lambda1",
}


def as_transformers_model(vit: VisionTransformer) -> PreTrainedModel:
    """Every tensor of `vit` under its name there; the fused projection is cut in three."""
    config = vit.config
    known = {
        "hidden_size": config["embed_dim"], "num_hidden_layers": config["depth"],
        "num_attention_heads": config["num_heads"], "mlp_ratio": config["mlp_ratio"],
        "image_size": config["image_size"], "patch_size": config["patch_size"],
    }  # fmt: skip
    if vit.num_registers:
        settings = Dinov2WithRegistersConfig(num_register_tokens=vit.num_registers, **known)
        model = Dinov2WithRegistersModel(settings)
    else:
        model = Dinov2Model(Dinov2Config(**known))
    weights: dict[str, Tensor] = {}
    for name, tensor in vit.state_dict().items():
        for pattern, there in RENAMED.items():
            name = re.sub(pattern, there, name)
        if ".attn.qkv." in name:
            for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                weights[name.replace(".attn.qkv.", f".attention.{letter}_proj.")] = third
        else:
            weights[name] = tensor
    model.load_state_dict(weights)
    return model.eval().to(torch.float32)
