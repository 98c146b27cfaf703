"""The backbone file that the training verb loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slt_cli.models.backbones import model_name
from slt_cli.models.vit import VisionTransformer
from slt_cli.storage.checkpoint import save_checkpoint


def describe_vit(vit: VisionTransformer) -> dict[str, Any]:
    """What rebuilds the backbone: its `model` name (or `custom`) and the arguments `vit`."""
    config = {**vit.config, "drop_path": 0.0}  # a habit of pretraining, not of the weights
    return {"model": model_name(config), "vit": config}


def export_backbone(
    path: Path,
    vit: VisionTransformer,
    *,
    stream: str,
    minimum_loss: float,
    extra: Mapping[str, Any],
) -> str:
    """Write the weights with DINOv2's parameter names and what they are; returns the model name.

    Load the file as `file::PATH:MODEL` with that name. `extra` holds plain values to keep.
    """
    described = describe_vit(vit)
    weights = {name: tensor.detach().cpu() for name, tensor in vit.state_dict().items()}
    payload = {"kind": "vit", "stream": stream, "minimum_loss": minimum_loss, **described, **extra}
    save_checkpoint(path, {**payload, "state_dict": weights})
    return str(described["model"])
