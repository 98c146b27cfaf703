"""The image backbones users name in settings, and how a backbone of their own is described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slt_cli.errors import InputError, UsageError
from slt_cli.models.vit import VisionTransformer

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)
"""Normalisation of RGB in [0, 1] that every backbone expects: the ImageNet statistics of DINOv2."""

CUSTOM = "custom"
"""Model name of a backbone that is described by its own arguments."""

_SMALL = {"embed_dim": 384, "depth": 12, "num_heads": 6, "mlp_ratio": 4}
_DINOV2 = {**_SMALL, "image_size": 518, "patch_size": 14, "layer_scale": 1e-5}

VIT_MODELS: dict[str, dict[str, Any]] = {
    "dinov2_vits14": {**_DINOV2, "num_registers": 0, "interpolate": "scale_offset"},
    "dinov2_vits14_reg": {**_DINOV2, "num_registers": 4, "interpolate": "antialias"},
    "slt_vitsmall_patch16": {
        **_SMALL, "image_size": 224, "patch_size": 16, "layer_scale": 1.0,
        "num_registers": 0, "interpolate": "scale_offset",
    },
}  # fmt: skip
"""Arguments of `VisionTransformer` by model name."""


class ViTSmallPatch16(VisionTransformer):
    """ViT-S/16 as `slt_vitsmall_patch16`; keyword arguments replace single values."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**{**VIT_MODELS["slt_vitsmall_patch16"], **changes})


def build_vit(model: str, config: Mapping[str, Any] | None = None) -> VisionTransformer:
    """Build a randomly initialised backbone: a name of `VIT_MODELS`, or `custom` with `config`.

    Raises `UsageError` for an unknown name and `InputError` for a description that does not fit.
    """
    if model == CUSTOM and config is not None:
        try:
            return VisionTransformer(**config)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"not a description of a vision transformer: {error}") from error
    check_vit_name(model)
    return VisionTransformer(**VIT_MODELS[model])


def check_vit_name(model: str) -> None:
    """Raise `UsageError` for a name that is not in `VIT_MODELS`, with those that are."""
    if model not in VIT_MODELS:
        raise UsageError(
            f"unknown backbone {model!r}",
            hint=f"use one of: {', '.join(VIT_MODELS)}; or file::PATH:MODEL for a file",
        )


def model_name(config: Mapping[str, Any]) -> str:
    """Name of the model with these arguments, `custom` when it has none.

    Values that leave parameters and outputs alone (their start, the drop rate) are not compared.
    """
    for name, known in VIT_MODELS.items():
        if all(config.get(key) == known[key] for key in known if key != "layer_scale"):
            return name
    return CUSTOM
