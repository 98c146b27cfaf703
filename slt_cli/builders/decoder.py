"""Text decoders from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from slt_cli.builders.assets import CONFIG, find_decoder, pretrained_name
from slt_cli.builders.own_decoder import build_own_decoder
from slt_cli.builders.pretrained import load_seq2seq, read_config
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError, UsageError
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.decoder.families import (
    PUBLISHED,
    build_random,
    config_from,
    dropout_values,
    small_values,
    special_values,
    with_positions,
)
from slt_cli.models.decoder.prompt import initial_prompt
from slt_cli.models.decoder.vocabulary import keep_rows
from slt_cli.settings.model import ModelSettings


def build_text_decoder(
    settings: ModelSettings,
    tokenizer: TextTokenizer,
    *,
    max_source: int,
    max_target: int,
    config: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build the text decoder of a translation model.

    `max_source` counts features, `max_target` tokens. `config` is the `config_dict` of an earlier
    one: it is rebuilt with random weights and no other file. A decoder of the user's own is always
    made from the settings.

    Raises `UsageError` for a width other than `d_model`, too few positions, an unknown language
    code, a tokenizer of another vocabulary; errors of `build_own_decoder` and, for pretrained
    ones, of `find_decoder` and `load_seq2seq`.
    """
    if settings.decoder_class:
        offered = {
            "d_model": settings.d_model, "vocab_size": len(tokenizer), "pad_id": tokenizer.pad_id,
            "bos_id": tokenizer.bos_id, "eos_id": tokenizer.eos_id, "unk_id": tokenizer.unk_id,
            "max_source": max_source, "max_target": max_target,
        }  # fmt: skip
        decoder = build_own_decoder(settings.decoder_class, settings.decoder_kwargs, offered)
    elif config:
        decoder = TextSeq2SeqDecoder.from_config_dict(config)
    else:
        suffix = _suffix(settings, tokenizer)
        model = _model(settings, tokenizer, max(max_source + len(suffix), max_target))
        decoder = TextSeq2SeqDecoder(model, suffix=suffix)
        _give_prompt(decoder, settings, tokenizer)
    if decoder.width != settings.d_model:
        raise _other_width(int(decoder.width), settings.d_model)
    return decoder


def _other_width(width: int, d_model: int) -> UsageError:
    return UsageError(
        f"the decoder is {width} wide, the encoder {d_model}", where="model.d_model",
        hint=f"set --d-model {width}",
    )  # fmt: skip


def _model(settings: ModelSettings, tokenizer: TextTokenizer, positions: int) -> PreTrainedModel:
    """The Hugging Face model, for sources and targets of at most `positions`."""
    name = pretrained_name(settings)
    if name is not None:
        return _pretrained(settings, tokenizer, name, positions)
    if settings.decoder_config is not None:
        config = read_config(settings.decoder_config)
    else:
        config = _named_config(settings, positions)
    _check_config(config, settings, positions)
    config.update({"vocab_size": len(tokenizer), **_ids(settings, tokenizer)})
    try:
        return build_random(config)
    except ValueError as error:  # heads that do not divide the width, and the like
        raise InputError(
            f"not a configuration that can be built: {error}", where=str(settings.decoder_config)
        ) from error


def _named_config(settings: ModelSettings, positions: int) -> PreTrainedConfig:
    values = PUBLISHED.get(settings.decoder_model) or small_values(
        settings.decoder_model, d_model=settings.d_model, layers=settings.decoder_layers,
        heads=settings.decoder_heads, encoder_layers=settings.decoder_encoder_layers,
    )  # fmt: skip
    dropout = dropout_values(values["model_type"], settings.decoder_dropout)
    return config_from({**with_positions(values, positions), **dropout})


def _pretrained(
    settings: ModelSettings, tokenizer: TextTokenizer, name: str, positions: int
) -> PreTrainedModel:
    folder = find_decoder(name, settings.decoder_search_path, settings.decoder_revision)
    config = read_config(folder / CONFIG)
    config.update(dropout_values(config.model_type, settings.decoder_dropout))
    _check_config(config, settings, positions)
    rows = tokenizer.rows or range(len(tokenizer))
    if max(rows) >= config.vocab_size:
        raise UsageError(
            f"the tokenizer has ids up to {max(rows)}, the decoder up to {config.vocab_size - 1}",
            where="data.tokenizer", hint="leave --tokenizer out: the decoder brings its own",
        )  # fmt: skip
    ids = _ids(settings, tokenizer)
    if settings.decoder_target_code is None and config.decoder_start_token_id in rows:
        ids["decoder_start_token_id"] = rows.index(config.decoder_start_token_id)
    model = load_seq2seq(folder, config)
    if tokenizer.rows is not None:
        keep_rows(model, tokenizer.rows)
    model.config.update(ids)
    return model


def _check_config(config: PreTrainedConfig, settings: ModelSettings, positions: int) -> None:
    """Refuse a shape that does not fit before weights are made or read."""
    if config.d_model != settings.d_model:
        raise _other_width(config.d_model, settings.d_model)
    limit = getattr(config, "max_position_embeddings", positions)
    if limit < positions:
        raise UsageError(
            f"the text decoder has {limit} positions, clips and texts need {positions}",
            where="model.sequence_length",
            hint="a smaller --sequence-length or --max-target-length",
        )


def _ids(settings: ModelSettings, tokenizer: TextTokenizer) -> dict[str, int | None]:
    start = tokenizer.bos_id
    if settings.decoder_target_code is not None:
        start = _code(tokenizer, settings.decoder_target_code, "decoder_target_code")
    return special_values(pad_id=tokenizer.pad_id, start_id=start, eos_id=tokenizer.eos_id)


def _suffix(settings: ModelSettings, tokenizer: TextTokenizer) -> tuple[int, ...]:
    if settings.decoder_source_code is None:
        return ()
    code = _code(tokenizer, settings.decoder_source_code, "decoder_source_code")
    return (tokenizer.eos_id, code)


def _code(tokenizer: TextTokenizer, code: str, setting: str) -> int:
    found = tokenizer.token_id(code)
    if found is None:
        raise UsageError(
            f"the tokenizer has no token {code}", where=f"model.{setting}",
            hint=f"one of {', '.join(tokenizer.special_tokens())}",
        )  # fmt: skip
    return found


def _give_prompt(
    decoder: TextSeq2SeqDecoder, settings: ModelSettings, tokenizer: TextTokenizer
) -> None:
    """Give the decoder the learned vectors that the settings ask for, if any."""
    init, tokens = settings.decoder_prompt_init, settings.decoder_prompt_tokens or []
    if settings.decoder_prompt_text and not tokens:
        tokens = tokenizer.encode(settings.decoder_prompt_text)[:-1]
    if any(token >= decoder.vocab_size for token in tokens):
        raise UsageError(
            f"the vocabulary has {decoder.vocab_size} tokens, there is no token {max(tokens)}",
            where="model.decoder_prompt_tokens", hint="give a text with --decoder-prompt-text",
        )  # fmt: skip
    if tokens and init != "tokens":
        raise UsageError(
            f"a prompt that starts {init} takes no text and no tokens",
            where="model.decoder_prompt_init", hint="--decoder-prompt-init tokens",
        )  # fmt: skip
    if settings.decoder_prompt_length or tokens:
        start = initial_prompt(
            decoder.embed, vocab_size=decoder.vocab_size, width=decoder.width, init=init,
            length=settings.decoder_prompt_length, tokens=tokens, std=settings.decoder_prompt_std,
            half_range=settings.decoder_prompt_range,
        )  # fmt: skip
        decoder.learn_prompt(start)
