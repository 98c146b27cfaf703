"""slt: sign-language video to text, and the training of the models that do it."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# What users import by name. Looked up when asked for: `import slt_cli` alone loads no torch.
_HOMES = {
    "FuseConcatLinear": "slt_cli.models.multistream",
    "KeypointStreamEncoder": "slt_cli.models.mska.stack",
    "MSKAEncoder": "slt_cli.models.mska.encoder",
    "MultiStreamEncoder": "slt_cli.models.multistream",
    "StreamProjector": "slt_cli.models.multistream",
    "TextSeq2SeqDecoder": "slt_cli.models.decoder",
    "ViTSmallPatch16": "slt_cli.models.backbones",
    "load_dinov2_backbone": "slt_cli.builders",
    "load_mska_encoder_state": "slt_cli.builders",
    "replace_with_dinov2": "slt_cli.builders.backbones",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
