"""Pretrained text models and tokenizers on this machine: found by name, never downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from slt_cli.data.pretrained_tokenizer import FILES, tokenizer_file
from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.decoder.families import ATTENTION, FAMILIES, config_from
from slt_cli.storage.assets import ENVIRONMENT, asset_folders

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
           "pytorch_model.bin.index.json")  # fmt: skip


def find_decoder(name: str, search_path: Sequence[Path]) -> Path:
    """The folder of the pretrained text model called `name`, or at that path.

    Raises `MissingAsset` that names every place looked in.
    """
    return _find(
        name, search_path, lambda place: (place / CONFIG).is_file(), where="model.decoder_model",
        needs=f"{CONFIG}, model.safetensors and the tokenizer's file",
    )  # fmt: skip


def find_tokenizer(name: str, search_path: Sequence[Path]) -> Path:
    """The file of the tokenizer called `name`, or at that path; errors as `find_decoder`."""
    place = _find(
        name, search_path, lambda place: tokenizer_file(place) is not None, where="data.tokenizer",
        needs=" or ".join(FILES),
    )  # fmt: skip
    file = tokenizer_file(place)
    assert file is not None
    return file


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


def _find(
    name: str,
    search_path: Sequence[Path],
    fits: Callable[[Path], bool],
    *,
    where: str,
    needs: str,
) -> Path:
    places = list(dict.fromkeys(_places(name, search_path)))
    found = next((place for place in places if fits(place)), None)
    cached = _cached(name) if found is None else None
    if cached is not None and fits(cached):
        return cached
    if found is None:
        raise MissingAsset(
            f"{name} is in none of {', '.join(map(str, places))}, nor in Hugging Face's cache",
            where=where,
            hint=f"a folder of that name with {needs}, in one of these places, in a folder named "
            f"by --decoder-search-path or by {ENVIRONMENT}",
        )
    return found


def _places(name: str, search_path: Sequence[Path]) -> Iterator[Path]:
    """`name` as a path, then below every folder, with and without the owner before its slash."""
    own = Path(name).expanduser()
    yield own
    if not own.is_absolute():
        for folder in (*search_path, *asset_folders()):
            yield folder.expanduser() / name
            yield folder.expanduser() / own.name


def _cached(name: str) -> Path | None:
    """The folder of Hugging Face's cache in which an earlier download of `name` lies."""
    from huggingface_hub import try_to_load_from_cache

    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        return None
    found: list[Any] = [try_to_load_from_cache(name, file) for file in (CONFIG, *FILES)]
    return next((Path(file).parent for file in found if isinstance(file, str)), None)
