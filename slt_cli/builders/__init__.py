"""From settings to modules: the only room that knows both."""

from importlib import import_module
from typing import Any

# Looked up when asked for: some of these rooms need torch, which takes seconds.
_HOMES = {
    "ModelShape": "model",
    "build_dataset": "data",
    "build_feature_caches": "features",
    "build_mixing": "data",
    "build_model": "model",
    "build_tokenizer": "tokenizer",
    "check_backbone_spec": "backbones",
    "feature_length": "model",
    "gloss_length": "model",
    "load_backbones": "model",
    "load_dinov2_backbone": "backbones",
    "load_mska_encoder_state": "states",
    "model_inputs": "data",
    "replace_with_dinov2": "backbones",
    "resolve_device": "device",
    "start_gloss_embedding": "model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
