"""Image backbones from names and files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slt_cli.builders.weights import load_strictly, shapes_of
from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.models.backbones import CUSTOM, VIT_MODELS, build_vit, check_vit_name
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.vit import VisionTransformer
from slt_cli.storage.checkpoint import load_checkpoint

FILE = "file::"
# Training checkpoints of DINOv2 keep their blocks in chunks; the second number counts all blocks.
_CHUNKED = re.compile(r"^blocks\.\d+\.(\d+)\.")


def check_backbone_spec(spec: str, where: str) -> None:
    """Raise `UsageError` naming the setting `where` when `spec` names no backbone and no file."""
    if not spec.startswith(FILE):
        try:
            check_vit_name(spec)
        except UsageError as error:
            raise UsageError(error.message, where=where, hint=error.hint) from error


def load_dinov2_backbone(spec: str) -> VisionTransformer:
    """Build the backbone that a setting names.

    `spec` is a name of `VIT_MODELS` (random weights) or `file::PATH:MODEL`. The file is one of
    `slt` (`pretrain`, `export backbone`) or of DINOv2: a published state dict, or a checkpoint of
    its trainer, of which the teacher's backbone is taken. MODEL is a name of `VIT_MODELS`, or
    `custom` for a shape the file itself describes; the size of the position table is the file's.

    Raises `UsageError` for an unknown name, `MissingAsset` when the file is not there, `InputError`
    when MODEL does not match it.
    """
    if not spec.startswith(FILE):
        return build_vit(spec)
    path, colon, model = spec.removeprefix(FILE).rpartition(":")
    if not colon:
        path, model = model, ""
    if not Path(path).is_file():
        raise MissingAsset(
            "backbone file not found",
            where=path,
            hint="write it with slt pretrain, or correct the path",
        )
    payload = load_checkpoint(Path(path))
    weights = backbone_weights(payload, path)
    said = payload.get("model")  # others keep a state dict under this name
    own_model = said if isinstance(said, str) else _model_with_shapes(weights)
    if own_model and own_model != model:
        raise InputError(
            f"the file holds {own_model}, not {model}"
            if model
            else f"the model is not named; the file holds {own_model}",
            where=spec,
            hint=f"write file::{path}:{own_model}",
        )
    vit = _vit_for(model, payload, weights, spec)
    hint = "name the model the weights were trained with: " + ", ".join(VIT_MODELS)
    load_strictly(vit, weights, what="the backbone", where=spec, hint=hint)
    return vit


def replace_with_dinov2(
    encoder: MultiStreamEncoder, specs: Mapping[str, str]
) -> MultiStreamEncoder:
    """Give an encoder other backbones: `specs` map parts to what `load_dinov2_backbone` takes.

    The encoder is changed in place and returned; nothing changes when one of them cannot be loaded.
    Raises what `load_dinov2_backbone` raises, and `UsageError` for a part without a backbone.
    """
    for part in specs:
        if part not in encoder.backbones:
            raise UsageError(
                f"the encoder has no backbone {part!r}", where=part,
                hint=f"it has: {', '.join(encoder.backbones) or 'none'}",
            )  # fmt: skip
    loaded = {part: load_dinov2_backbone(spec) for part, spec in specs.items()}
    for part, vit in loaded.items():
        encoder.replace_backbone(part, vit)
    return encoder


def backbone_weights(payload: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The state dict of an image backbone in a file: exported, a teacher's, or the file as it is.

    Raises `InputError` for a file of this project that holds something else.
    """
    kind = payload.get("kind", "vit")
    if kind not in {"vit", "pretrain"}:
        raise InputError(
            f"the file holds no image backbone but {kind!r}", where=where,
            hint="slt export backbone RUN --stream crops_face writes the backbone of a run",
        )  # fmt: skip
    found = payload.get("teacher", payload.get("state_dict", payload))
    prefix = "backbone." if "teacher" in payload else ""
    return {
        _CHUNKED.sub(r"blocks.\1.", key.removeprefix(prefix)): value
        for key, value in found.items()
        if key.startswith(prefix) and isinstance(value, Tensor)
    }


def _vit_for(
    model: str, payload: Mapping[str, Any], weights: Mapping[str, Tensor], spec: str
) -> VisionTransformer:
    """The module that the weights should fit. Raises `InputError` for an unknown MODEL."""
    if model != CUSTOM and model not in VIT_MODELS:
        raise InputError(
            f"unknown backbone {model!r}", where=spec,
            hint=f"after the last colon, write one of: {', '.join((*VIT_MODELS, CUSTOM))}",
        )  # fmt: skip
    config = payload.get("vit") or (VIT_MODELS[model] if model != CUSTOM else None)
    if config is None:
        raise InputError(
            "the file does not describe its shape, so it is no custom backbone", where=spec,
            hint=f"after the last colon, write one of: {', '.join(VIT_MODELS)}",
        )  # fmt: skip
    try:
        return build_vit(CUSTOM, _with_table_of(config, weights))
    except InputError as error:
        raise InputError(error.message, where=spec, hint=error.hint) from error


def _with_table_of(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments with the image size that the position table in `weights` was made for."""
    positions = weights.get("pos_embed", torch.empty(0))
    side = math.isqrt(max(positions.shape[1] - 1, 0)) if positions.ndim == 3 else 0
    return {**config, "image_size": side * config["patch_size"]} if side else dict(config)


def _model_with_shapes(weights: Mapping[str, Tensor]) -> str | None:
    """Name of the model whose tensors these are, whatever the size of the position table."""
    with torch.device("meta"):
        for name, config in VIT_MODELS.items():
            vit = build_vit(CUSTOM, _with_table_of(config, weights))
            if shapes_of(vit.state_dict()) == shapes_of(weights):
                return name
    return None
