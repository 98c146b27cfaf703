"""Features to text through a sequence-to-sequence model that reads them as its embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, GenerationConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from slt_cli.errors import InputError
from slt_cli.losses.translation import IGNORE
from slt_cli.models.decoder.families import build_random, config_from
from slt_cli.models.decoder.memory import Memory
from slt_cli.models.decoder.suffix import append_after_last


class TextSeq2SeqDecoder(nn.Module):
    """A Hugging Face mBART or T5 that reads features where it would read words.

    Features go through the model's own encoder, if it has layers, and are attended to by its
    decoder. `suffix` are tokens put behind the features of each clip: mBART's `</s>` and source
    language (Liu et al. 2020, section 2), as Guan et al. (2024) do for MSKA. mBART scales
    embeddings by sqrt(D); features are scaled alike.

    `learn_prompt` puts learned vectors before the encoder's output (prompt tuning, Lester et al.
    2021). There, and not before its input, because models whose encoder has no layers would pass
    them on all the same, and because the positions of the features stay what they were.
    """

    def __init__(self, model: PreTrainedModel, *, suffix: Sequence[int] = ()) -> None:
        super().__init__()
        self.model = model
        # Searches are told all they need; a pretrained model's own rules must not come in.
        model.generation_config = GenerationConfig()
        self.suffix = tuple(suffix)
        ids = torch.tensor(self.suffix, dtype=torch.long)
        self.register_buffer("suffix_ids", ids, persistent=False)
        self.prompt: nn.Parameter | None = None

    def learn_prompt(self, start: Tensor) -> None:
        """Put learned vectors before every clip from now on, which start as (N, D) `start`."""
        self.prompt = nn.Parameter(start.clone())

    @classmethod
    def from_config_dict(cls, values: Mapping[str, Any]) -> TextSeq2SeqDecoder:
        """Rebuild what `config_dict` describes, with random weights."""
        decoder = cls(build_random(config_from(values["config"])), suffix=values["suffix"])
        if values["prompt_length"]:
            decoder.learn_prompt(torch.zeros(values["prompt_length"], decoder.width))
        return decoder

    def config_dict(self) -> dict[str, Any]:
        """Plain values that, with the weights, are all of this decoder."""
        config = self.model.config.to_dict()
        config.pop("_name_or_path", None)  # where somebody's files lay
        length = 0 if self.prompt is None else len(self.prompt)
        return {"config": config, "suffix": list(self.suffix), "prompt_length": length}

    @property
    def width(self) -> int:
        """D, the width of the features."""
        return int(self.model.config.d_model)

    @property
    def vocab_size(self) -> int:
        """Classes of the logits."""
        return int(self.model.config.vocab_size)

    @property
    def bos_id(self) -> int:
        """Token that starts every output; with mBART the target language."""
        return int(self.model.config.decoder_start_token_id)

    @property
    def max_source(self) -> int | None:
        """Most features a clip may have; None without a limit."""
        positions = getattr(self.model.config, "max_position_embeddings", None)
        return None if positions is None else positions - len(self.suffix)

    def embed(self, tokens: Tensor) -> Tensor:
        """Token ids (...) to the vectors (..., D) that the model reads for them."""
        return self.model.get_input_embeddings()(tokens)

    def encode(self, features: Tensor, valid: Tensor) -> Memory:
        """(B, S, D) features and (B, S) bool -> prompt, encoded features and suffix.

        Raises `InputError` for more features than the model has positions.
        """
        self._check_length(features.shape[1])
        scale = getattr(self.model.get_input_embeddings(), "embed_scale", 1.0)
        features = features.masked_fill(~valid[..., None], 0.0) * scale
        if self.suffix:
            features, valid = append_after_last(features, valid, self.embed(self.suffix_ids))
        encoder = self.model.get_encoder()
        hidden = encoder(inputs_embeds=features, attention_mask=valid.long()).last_hidden_state
        if self.prompt is not None:
            prompt = self.prompt.to(hidden.dtype).expand(hidden.shape[0], -1, -1)
            hidden = torch.cat([prompt, hidden], 1)
            valid = torch.cat([torch.ones_like(prompt[..., 0], dtype=torch.bool), valid], 1)
        return Memory(hidden, valid)

    def decode(self, tokens: Tensor, memory: Memory) -> Tensor:
        """(B, L) tokens so far, the start token first -> (B, L, vocabulary) logits of the next."""
        return self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=memory.hidden),
            attention_mask=memory.valid.long(),
            decoder_input_ids=tokens,
            use_cache=False,
        ).logits

    def forward(self, features: Tensor, valid: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, L, vocabulary) for labels (B, L) under teacher forcing; `IGNORE` pads."""
        return self.decode(self.shifted(labels), self.encode(features, valid))

    def shifted(self, labels: Tensor) -> Tensor:
        """(B, L) labels -> (B, L) tokens to decode from: the start token, then all but the last."""
        pad = int(self.model.config.pad_token_id)
        start = torch.full_like(labels[:, :1], self.bos_id)
        return torch.cat([start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORE, pad)], 1)

    @torch.no_grad()
    def generate(
        self,
        features: Tensor,
        valid: Tensor,
        *,
        beams: int,
        length_penalty: float,
        max_length: int,
        no_repeat_ngram_size: int = 0,
    ) -> Tensor:
        """Best token sequence per clip, (B, <= max_length + 1), starting with the start token.

        `beams` 1 is greedy search; a hypothesis' score is its log probability over its length to
        the power of `length_penalty`; with `no_repeat_ngram_size` n no n tokens occur twice.
        """
        memory, config = self.encode(features, valid), self.model.config
        return self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=memory.hidden),
            attention_mask=memory.valid.long(),
            # Of its own, because the library makes one with as many layers as the encoder has.
            past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            generation_config=GenerationConfig(
                num_beams=beams, length_penalty=length_penalty, max_new_tokens=max_length,
                no_repeat_ngram_size=no_repeat_ngram_size, do_sample=False,
                early_stopping=beams > 1, use_cache=True, decoder_start_token_id=self.bos_id,
                bos_token_id=self.bos_id, eos_token_id=config.eos_token_id,
                pad_token_id=config.pad_token_id,
            ),
        )  # fmt: skip

    def _check_length(self, features: int) -> None:
        if torch.compiler.is_compiling():  # a graph takes any length; its caller checks
            return
        if self.max_source is not None and features > self.max_source:
            raise InputError(
                f"{features} features, but the text model has positions for {self.max_source}",
                hint="thin the clips: a smaller model.sequence_length",
            )
