"""Streams of a model that start from the weights of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from slt_cli.builders.backbones import backbone_weights
from slt_cli.builders.weights import load_strictly
from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.mska.encoder import MSKAEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.storage.checkpoint import load_checkpoint

KEYPOINT_STACK, IMAGE_BACKBONE = "mska", "vit"


class StreamModel(Protocol):
    """The streams of a translation model."""

    mska: MSKAEncoder | None
    encoder: MultiStreamEncoder | None


def load_mska_encoder_state(
    model: StreamModel,
    *,
    face: Path | None = None,
    hand: Path | None = None,
    body: Path | None = None,
) -> list[str]:
    """Start streams of `model` from files; a hand state serves both hands.

    A file of kind `mska` (`slt export backbone`) starts the keypoint stack of the stream, one of
    kind `vit` (`slt pretrain`) the backbone of its crops. Returns a line "loaded N of M tensors of
    ..." for each stream.

    Raises `MissingAsset` for a file that is not there and `InputError` when a file is of no such
    kind, the model has no such stream, or not all of its tensors match.
    """
    targets = {"face": face, "hand_left": hand, "hand_right": hand, "body": body}
    return [
        _load(model, part, Path(path), _read(Path(path)))
        for part, path in targets.items()
        if path is not None
    ]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingAsset(
            "state file not found", where=str(path),
            hint="slt pretrain and slt export backbone write such files",
        )  # fmt: skip
    return load_checkpoint(path)


def _load(model: StreamModel, part: str, path: Path, payload: Mapping[str, Any]) -> str:
    """Load one stream; returns the line about it."""
    kind = payload.get("kind")
    modules: dict[str, nn.Module]
    if kind == KEYPOINT_STACK:
        modules = dict(model.mska.stacks.items()) if model.mska else {}
        what, stream, weights = f"keypoint stack {part}", "keypoints", payload["state_dict"]
    elif kind == IMAGE_BACKBONE:
        modules = dict(model.encoder.backbones.items()) if model.encoder else {}
        what, stream = f"crop backbone {part}", part
        weights = backbone_weights(payload, str(path))
    else:
        raise InputError(
            f"the file holds no stream but {kind!r}" if kind else "the file does not say its kind",
            where=str(path), hint="slt pretrain and slt export backbone write files of streams",
        )  # fmt: skip
    if part not in modules:
        raise InputError(
            f"loaded 0 of {len(weights)} tensors: the model has no {what}", where=str(path),
            hint=f"add {stream} to model.streams, or leave the state out" if stream != "body"
            else "a body has no crops: give a file of slt export backbone RUN --stream body",
        )  # fmt: skip
    hint = "train with the settings that the file was written with, or leave the state out"
    count = load_strictly(modules[part], weights, what=f"the {what}", where=str(path), hint=hint)
    return f"loaded {count} of {count} tensors of the {what} from {path}"
