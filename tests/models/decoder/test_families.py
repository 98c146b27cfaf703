from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import MBartConfig, MBartForConditionalGeneration

from slt_cli.models.decoder.families import (
    PUBLISHED,
    build_random,
    build_seq2seq,
    config_from,
    dropout_values,
    special_values,
    with_positions,
)

SMALL = {
    "vocab_size": 50, "d_model": 24, "layers": 2, "heads": 3, "dropout": 0.3, "max_source": 40,
    "max_target": 20, "pad_id": 0, "bos_id": 1, "eos_id": 2,
}  # fmt: skip


def count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def t5_v1_1_count(vocabulary: int, d: int, ff: int, layers: int, heads: int, d_kv: int) -> int:
    attention = 4 * d * heads * d_kv
    norm, gated, bias = d, 3 * d * ff, 32 * heads
    encoder = layers * (attention + gated + 2 * norm) + norm + bias
    decoder = layers * (2 * attention + gated + 3 * norm) + norm + bias
    return 2 * vocabulary * d + encoder + decoder  # embeddings and output weights of their own


def test_mbart_large_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        config = config_from({**PUBLISHED["mbart-large"], "vocab_size": 250_027})
        model = build_random(config)
        library = MBartForConditionalGeneration(MBartConfig(vocab_size=250_027))
    assert count(model) == count(library) == 610_851_840
    assert model.get_input_embeddings().embed_scale == 32.0


def test_t5_v1_1_base_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build_random(config_from({**PUBLISHED["t5-base"], "vocab_size": 32_128}))
    assert count(model) == t5_v1_1_count(32_128, 768, 2048, 12, 12, 64) == 247_577_856


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_a_small_model_has_the_layers_asked_for(family: str) -> None:
    model = build_seq2seq(family=family, **SMALL, encoder_layers=1)
    stacks = [model.get_encoder(), model.get_decoder()]
    layers = [len(stack.layers if family == "mbart" else stack.block) for stack in stacks]
    assert layers == [1, 2]
    assert model.config.decoder_start_token_id == 1
    rates = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    rates |= {model.get_decoder().dropout} if family == "mbart" else set()
    assert 0.3 in rates


def test_attention_is_dropped_less_than_the_rest() -> None:
    assert dropout_values("mbart", 0.3) == {"dropout": 0.3, "attention_dropout": 0.1}
    assert dropout_values("mbart", 0.0) == {"dropout": 0.0, "attention_dropout": 0.0}
    assert dropout_values("t5", 0.3) == {"dropout_rate": 0.3}


def test_positions_grow_to_what_is_needed_and_never_shrink() -> None:
    assert with_positions(PUBLISHED["mbart-large"], 1500)["max_position_embeddings"] == 1500
    assert with_positions(PUBLISHED["mbart-large"], 100)["max_position_embeddings"] == 1024
    assert with_positions(PUBLISHED["t5-base"], 5000) == PUBLISHED["t5-base"]


def test_a_small_mbart_takes_features_and_tokens_up_to_its_limits() -> None:
    model = build_seq2seq(family="mbart", **SMALL)
    assert model.config.max_position_embeddings == 40
    encoder = model.get_encoder()
    assert encoder(inputs_embeds=torch.zeros(1, 40, 24)).last_hidden_state.shape == (1, 40, 24)


def test_the_head_of_an_untied_t5_starts_with_logits_of_unit_size() -> None:
    torch.manual_seed(0)
    model = build_seq2seq(family="t5", **SMALL | {"vocab_size": 400, "d_model": 240})
    assert model.lm_head.weight is not model.shared.weight
    out = model(inputs_embeds=torch.randn(2, 5, 240), decoder_input_ids=torch.tensor([[1, 4]] * 2))
    assert out.logits.std().item() == pytest.approx(1.0, rel=0.2)


def test_a_stored_configuration_keeps_the_head_apart() -> None:
    model = build_seq2seq(family="t5", **SMALL)
    again = build_random(config_from(model.config.to_dict()))
    assert count(again) == count(model)
    assert again.lm_head.weight is not again.shared.weight


def test_nothing_is_forced_on_the_output() -> None:
    config = config_from({**PUBLISHED["mbart-large"], "forced_eos_token_id": 2})
    config.update(special_values(pad_id=0, start_id=9, eos_id=2))
    assert (config.forced_eos_token_id, config.forced_bos_token_id) == (None, None)


@pytest.mark.parametrize("model_type", [None, "bart", "../t5"])
def test_other_kinds_of_models_are_refused_by_name(model_type: str | None) -> None:
    with pytest.raises(ValueError, match=r"not mbart or t5"):
        config_from({"model_type": model_type})
