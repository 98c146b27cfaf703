"""From settings to modules: the only room that knows both."""

from slt_cli.builders.backbones import load_dinov2_backbone
from slt_cli.builders.data import build_dataset
from slt_cli.builders.device import resolve_device
from slt_cli.builders.model import ModelShape, build_model, load_backbones

__all__ = [
    "ModelShape",
    "build_dataset",
    "build_model",
    "load_backbones",
    "load_dinov2_backbone",
    "resolve_device",
]
