"""From settings to modules: the only room that knows both."""

from slt_cli.builders.backbones import (
    check_backbone_spec,
    load_dinov2_backbone,
    replace_with_dinov2,
)
from slt_cli.builders.data import build_dataset, model_inputs
from slt_cli.builders.device import resolve_device
from slt_cli.builders.features import build_feature_caches
from slt_cli.builders.model import (
    ModelShape,
    build_model,
    feature_length,
    gloss_length,
    load_backbones,
    start_gloss_embedding,
)
from slt_cli.builders.states import load_mska_encoder_state
from slt_cli.builders.tokenizer import build_tokenizer

__all__ = [
    "ModelShape",
    "build_dataset",
    "build_feature_caches",
    "build_model",
    "build_tokenizer",
    "check_backbone_spec",
    "feature_length",
    "gloss_length",
    "load_backbones",
    "load_dinov2_backbone",
    "load_mska_encoder_state",
    "model_inputs",
    "replace_with_dinov2",
    "resolve_device",
    "start_gloss_embedding",
]
