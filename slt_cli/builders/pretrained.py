"""Pretrained text models, read from their folders."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from slt_cli.builders.assets import CONFIG, WEIGHTS
from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.decoder.families import ATTENTION, FAMILIES, config_from


def read_config(file: Path) -> PreTrainedConfig:
    """Read a config.json of mBART or T5. Raises `MissingAsset`, or `InputError` for another."""
    if not file.is_file():
        raise MissingAsset("no such file", where=str(file), hint="a config.json of Hugging Face")
    try:
        return config_from(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"not the configuration of a text decoder: {error}", where=str(file),
            hint=f"a config.json with the model_type {' or '.join(FAMILIES)}",
        ) from error  # fmt: skip


def load_seq2seq(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Read a model's weights as float32 from safetensors or a tensors-only `.bin`.

    Raises `MissingAsset` without weights, `InputError` when they are damaged, hostile, incomplete
    or do not fit `config`. Nothing in the files is executed, nothing is downloaded.
    """
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise MissingAsset("no weights there", where=str(folder), hint=f"{' or '.join(WEIGHTS)}")
    try:
        model, found = FAMILIES[config.model_type][1].from_pretrained(
            folder, config=config, local_files_only=True, weights_only=True, dtype=torch.float32,
            attn_implementation=ATTENTION[config.model_type], output_loading_info=True,
        )  # fmt: skip
    except MemoryError:
        raise
    except Exception as error:  # each format has errors of its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"the weights cannot be read: {reason}", where=str(folder)) from error
    lacking = sorted(found["missing_keys"]) + sorted(str(key) for key in found["mismatched_keys"])
    if lacking:
        raise InputError(
            f"the weights do not fit {CONFIG}: {', '.join(lacking[:5])}", where=str(folder)
        )
    return model
