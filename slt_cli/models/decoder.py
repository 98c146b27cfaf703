"""The text decoder: one adapter over Hugging Face sequence-to-sequence models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

from slt_cli.losses.translation import IGNORE


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
) -> PreTrainedModel:
    """A randomly initialised `mbart` or `t5` whose own encoder has no layers.

    The sign encoder takes that place; mBART still adds its learned positions and norm, as it does
    to MSKA's mapped features.
    """
    ids = {
        "pad_token_id": pad_id, "bos_token_id": bos_id, "eos_token_id": eos_id,
        "decoder_start_token_id": bos_id, "vocab_size": vocab_size, "d_model": d_model,
    }  # fmt: skip
    if family == "t5":
        config: Any = T5Config(
            **ids, num_layers=0, num_decoder_layers=layers, num_heads=heads,
            d_kv=d_model // heads, d_ff=4 * d_model, dropout_rate=dropout,
            feed_forward_proj="gated-gelu", initializer_factor=0.05, tie_word_embeddings=False,
        )  # fmt: skip
        # Eager attention: the fused one cannot be traced through T5's position bias.
        return T5ForConditionalGeneration._from_config(config, attn_implementation="eager")
    config = MBartConfig(
        **ids, encoder_layers=0, decoder_layers=layers, encoder_attention_heads=heads,
        decoder_attention_heads=heads, encoder_ffn_dim=4 * d_model, decoder_ffn_dim=4 * d_model,
        dropout=dropout, attention_dropout=dropout, forced_eos_token_id=None,
        max_position_embeddings=max(max_source, max_target) + 2,
    )  # fmt: skip
    return MBartForConditionalGeneration(config)


class TextSeq2SeqDecoder(nn.Module):
    """Frame features to text through a sequence-to-sequence model given them as embeddings."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    @property
    def bos_id(self) -> int:
        """Token that starts every output."""
        return int(self.model.config.decoder_start_token_id)

    def encode(self, features: Tensor, frame_valid: Tensor) -> Tensor:
        """(B, T, D) features, (B, T) bool -> (B, T, D) memory for cross-attention."""
        encoder = self.model.get_encoder()
        return encoder(inputs_embeds=features, attention_mask=frame_valid.long()).last_hidden_state

    def decode(self, tokens: Tensor, memory: Tensor, frame_valid: Tensor) -> Tensor:
        """(B, L) tokens so far, (B, T, D) memory, (B, T) bool -> (B, L, vocabulary) logits."""
        return self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=memory),
            attention_mask=frame_valid.long(),
            decoder_input_ids=tokens,
            use_cache=False,
        ).logits

    def forward(self, features: Tensor, frame_valid: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, L, vocabulary) for labels (B, L) under teacher forcing; `IGNORE` pads."""
        memory = self.encode(features, frame_valid)
        pad = int(self.model.config.pad_token_id)
        start = torch.full_like(labels[:, :1], self.bos_id)
        tokens = torch.cat([start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORE, pad)], 1)
        return self.decode(tokens, memory, frame_valid)

    @torch.no_grad()
    def generate(
        self,
        features: Tensor,
        frame_valid: Tensor,
        *,
        beams: int,
        length_penalty: float,
        max_length: int,
    ) -> Tensor:
        """Best token sequence per clip, (B, <= max_length + 1), starting with the start token."""
        config = self.model.config
        return self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.encode(features, frame_valid)),
            attention_mask=frame_valid.long(),
            generation_config=GenerationConfig(
                num_beams=beams, length_penalty=length_penalty, max_new_tokens=max_length,
                do_sample=False, early_stopping=beams > 1, use_cache=True,
                decoder_start_token_id=self.bos_id, bos_token_id=self.bos_id,
                eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id,
            ),
        )  # fmt: skip
