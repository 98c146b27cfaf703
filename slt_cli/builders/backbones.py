"""Image backbones from names and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.backbones import VIT_MODELS, build_vit
from slt_cli.models.vit import VisionTransformer
from slt_cli.storage.checkpoint import load_checkpoint


def load_dinov2_backbone(spec: str) -> VisionTransformer:
    """Build the backbone that a setting names.

    `spec` is a name of `VIT_MODELS` (random weights) or `file::PATH:MODEL`. The file is one that
    `slt pretrain` wrote (its backbone or a checkpoint) or a published DINOv2 state dict; MODEL is a
    name of `VIT_MODELS`, or `custom` for a shape the file itself describes.

    Raises `MissingAsset` when the file is not there, `InputError` when MODEL does not match it.
    """
    if not spec.startswith("file::"):
        return build_vit(spec)
    path, colon, model = spec.removeprefix("file::").rpartition(":")
    if not colon:
        path, model = model, ""
    if not Path(path).is_file():
        raise MissingAsset(
            "backbone file not found",
            where=path,
            hint="write it with slt pretrain, or correct the path",
        )
    payload = load_checkpoint(Path(path))
    weights = _backbone_weights(payload)
    own_model = payload.get("model") or _model_with_shapes(weights)
    if own_model and own_model != model:
        raise InputError(
            f"the file holds {own_model}, not {model}"
            if model
            else f"the model is not named; the file holds {own_model}",
            where=spec,
            hint=f"write file::{path}:{own_model}",
        )
    try:
        vit = build_vit(model, payload.get("vit"))
    except InputError as error:
        raise InputError(error.message, where=spec, hint=error.hint) from error
    _load_strictly(vit, weights, spec)
    return vit


def _backbone_weights(payload: Mapping[str, Any]) -> dict[str, Tensor]:
    """Find the state dict: exported, inside a pretraining checkpoint, or the file as it is."""
    found = payload.get("teacher", payload.get("state_dict", payload))
    prefix = "backbone." if "teacher" in payload else ""
    return {
        key.removeprefix(prefix): value
        for key, value in found.items()
        if key.startswith(prefix) and isinstance(value, Tensor)
    }


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in weights.items()}


def _model_with_shapes(weights: Mapping[str, Tensor]) -> str | None:
    """Name of the model whose tensors have exactly these names and shapes."""
    with torch.device("meta"):
        fits = (
            name for name in VIT_MODELS if _shapes(build_vit(name).state_dict()) == _shapes(weights)
        )
        return next(fits, None)


def _load_strictly(vit: VisionTransformer, weights: Mapping[str, Tensor], spec: str) -> None:
    """Copy the weights, or say which tensors are missing, unexpected or of another shape."""
    expected, found = _shapes(vit.state_dict()), _shapes(weights)
    common = expected.keys() & found.keys()
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "another shape": sorted(
            f"{key} {found[key]} instead of {expected[key]}"
            for key in common
            if found[key] != expected[key]
        ),
    }
    if any(problems.values()):
        raise InputError(
            "the weights do not fit the backbone: "
            + "; ".join(f"{what}: {_listed(keys)}" for what, keys in problems.items() if keys),
            where=spec,
            hint="name the model the weights were trained with: " + ", ".join(VIT_MODELS),
        )
    vit.load_state_dict(weights)


def _listed(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
