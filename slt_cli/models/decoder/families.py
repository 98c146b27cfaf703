"""mBART and T5 of any size, of the published sizes, or as a configuration describes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import (
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

FAMILIES: dict[str, tuple[type[PreTrainedConfig], type[PreTrainedModel]]] = {
    "mbart": (MBartConfig, MBartForConditionalGeneration),
    "t5": (T5Config, T5ForConditionalGeneration),
}
# Eager for T5: the fused attention cannot be traced through its position bias.
ATTENTION = {"mbart": "sdpa", "t5": "eager"}
ATTENTION_DROPOUT = 0.1
"""Most dropout of mBART's attention weights, whatever the other dropout (as MSKA trains it)."""

PUBLISHED: dict[str, dict[str, Any]] = {
    # mBART-large-cc25 (Liu et al. 2020)
    "mbart-large": {
        "model_type": "mbart", "d_model": 1024, "encoder_layers": 12, "decoder_layers": 12,
        "encoder_attention_heads": 16, "decoder_attention_heads": 16, "encoder_ffn_dim": 4096,
        "decoder_ffn_dim": 4096, "scale_embedding": True, "max_position_embeddings": 1024,
    },
    # T5 version 1.1 base (Raffel et al. 2020; Shazeer 2020 for the gates)
    "t5-base": {
        "model_type": "t5", "d_model": 768, "d_kv": 64, "d_ff": 2048, "num_layers": 12,
        "num_decoder_layers": 12, "num_heads": 12, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    },
}  # fmt: skip


def small_values(
    family: str, *, d_model: int, layers: int, heads: int, encoder_layers: int = 0
) -> dict[str, Any]:
    """Configuration of a model of one's own size; without `encoder_layers` it has no encoder.

    The sign encoder takes that place; mBART still adds its learned positions and norm, as it does
    to MSKA's mapped features.
    """
    if family == "t5":
        return {
            "model_type": "t5", "d_model": d_model, "d_kv": d_model // heads, "d_ff": 4 * d_model,
            "num_layers": encoder_layers, "num_decoder_layers": layers, "num_heads": heads,
            "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
        }  # fmt: skip
    return {
        "model_type": "mbart", "d_model": d_model, "encoder_layers": encoder_layers,
        "decoder_layers": layers, "encoder_attention_heads": heads,
        "decoder_attention_heads": heads, "encoder_ffn_dim": 4 * d_model,
        "decoder_ffn_dim": 4 * d_model, "max_position_embeddings": 1,
    }  # fmt: skip


def dropout_values(family: str, dropout: float) -> dict[str, float]:
    """How each family names its dropout."""
    if family == "t5":
        return {"dropout_rate": dropout}
    return {"dropout": dropout, "attention_dropout": min(dropout, ATTENTION_DROPOUT)}


def with_positions(values: Mapping[str, Any], positions: int) -> dict[str, Any]:
    """The same configuration with room for that many positions, where positions are a table."""
    if values["model_type"] != "mbart":
        return dict(values)
    most = max(positions, values["max_position_embeddings"])
    return {**values, "max_position_embeddings": most}


def special_values(*, pad_id: int, start_id: int, eos_id: int) -> dict[str, int | None]:
    """The special tokens of a configuration; `start_id` starts every output, nothing is forced."""
    return {
        "pad_token_id": pad_id, "bos_token_id": start_id, "decoder_start_token_id": start_id,
        "eos_token_id": eos_id, "forced_bos_token_id": None, "forced_eos_token_id": None,
    }  # fmt: skip


def config_from(values: Mapping[str, Any]) -> PreTrainedConfig:
    """The configuration that `values` (the content of a config.json) describe.

    Raises `ValueError` for another kind of model than mBART and T5 and for impossible values.
    """
    family = values.get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"model_type is {family}, not {' or '.join(FAMILIES)}")
    try:
        return FAMILIES[family][0].from_dict(dict(values))
    except StrictDataclassError as error:
        raise ValueError(" ".join(str(error).split())) from error


def build_random(config: PreTrainedConfig) -> PreTrainedModel:
    """A model with random weights."""
    kind = FAMILIES[config.model_type][1]
    model = kind._from_config(config, attn_implementation=ATTENTION[config.model_type])
    if has_own_head(config):
        _untie_head(model)
    return model


def has_own_head(config: PreTrainedConfig) -> bool:
    """Whether output weights differ from the embeddings, as in T5 1.1.

    The library ties them in every T5 and keeps of `tie_word_embeddings` only the scaling of the
    outputs that goes with tied weights.
    """
    return config.model_type == "t5" and not config.scale_decoder_outputs


def _untie_head(model: PreTrainedModel) -> None:
    weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
    nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))
    model.lm_head.weight = weight
    model.all_tied_weights_keys.pop("lm_head.weight", None)


def build_seq2seq(
    *,
    family: str,
    vocab_size: int,
    d_model: int,
    layers: int,
    heads: int,
    dropout: float,
    max_source: int,
    max_target: int,
    pad_id: int,
    bos_id: int,
    eos_id: int,
    encoder_layers: int = 0,
) -> PreTrainedModel:
    """A randomly initialised `mbart` or `t5`; `max_source` counts features and their suffix."""
    values = small_values(
        family, d_model=d_model, layers=layers, heads=heads, encoder_layers=encoder_layers
    )
    values |= dropout_values(family, dropout)
    values = with_positions(values, max(max_source, max_target))
    ids = special_values(pad_id=pad_id, start_id=bos_id, eos_id=eos_id)
    return build_random(config_from({**values, **ids, "vocab_size": vocab_size}))
