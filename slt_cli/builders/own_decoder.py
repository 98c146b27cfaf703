"""Text decoders that users bring, as `package.module:Class`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from slt_cli.errors import UsageError

WHERE = "model.decoder_class"
METHODS = ("encode", "decode", "forward", "generate", "config_dict")
"""What every decoder needs; scheduled sampling asks for `shifted` besides."""
VALUES = ("width", "vocab_size", "bos_id")


def build_own_decoder(
    spec: str, kwargs: Mapping[str, Any], offered: Mapping[str, Any]
) -> nn.Module:
    """Construct the class that `spec` names.

    It gets `kwargs` and, of what is `offered`, the arguments that its signature names. It must be
    an `nn.Module` with the methods and values of `TextSeq2SeqDecoder` listed in `METHODS` and
    `VALUES`; that is checked before anything of it is called. Modules of the current folder count.

    Only scheduled sampling asks for one more, `shifted(labels)`: for (B, L) labels the (B, L)
    tokens that the decoder reads to predict them, which are its start token and all labels but the
    last, with its padding in place of `IGNORE`. `decode(shifted(labels), memory)` must be what
    `forward` computes.

    Raises `UsageError` when it cannot be imported, is no such class, does not take the arguments,
    or fails to build.
    """
    kind = _imported(spec)
    missing = [name for name in METHODS if not callable(getattr(kind, name, None))]
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)) or missing:
        lacks = f": it has no {', '.join(missing)}" if isinstance(kind, type) and missing else ""
        raise UsageError(
            f"{spec} is no text decoder{lacks}", where=WHERE,
            hint=f"a class derived from torch.nn.Module with {', '.join(METHODS)} as "
            "slt_cli.models.decoder.TextSeq2SeqDecoder has them",
        )  # fmt: skip
    arguments = _arguments(kind, spec, kwargs, offered)
    try:
        decoder: nn.Module = kind(**arguments)
    except Exception as error:
        raise UsageError(
            f"{spec} cannot be built: {error}", where=WHERE, hint="change --decoder-kwargs"
        ) from error
    absent = [name for name in VALUES if not hasattr(decoder, name)]
    if absent:
        raise UsageError(f"{spec} has no {', '.join(absent)}", where=WHERE)
    return decoder


def _imported(spec: str) -> Any:
    module, _, name = spec.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise UsageError(f"{module} has no {name}", where=WHERE) from error
    except Exception as error:  # a module may fail in its own way
        raise UsageError(
            f"{module} cannot be imported: {error}", where=WHERE,
            hint="run slt from the folder of the package, or set PYTHONPATH",
        ) from error  # fmt: skip
    finally:
        sys.path.remove(here)


def _arguments(
    kind: type, spec: str, kwargs: Mapping[str, Any], offered: Mapping[str, Any]
) -> dict[str, Any]:
    signature = inspect.signature(kind)
    named = {name: value for name, value in offered.items() if name in signature.parameters}
    arguments = {**named, **kwargs}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise UsageError(
            f"{spec} takes {signature}: {error}", where="model.decoder_kwargs",
            hint=f"slt gives {', '.join(offered)} by these names; the rest is --decoder-kwargs",
        ) from error  # fmt: skip
    return arguments
