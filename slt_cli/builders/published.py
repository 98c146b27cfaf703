"""Weights that the authors of MSKA published, into a model of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from slt_cli.errors import InputError
from slt_cli.models.mska.published import from_published, split_published
from slt_cli.models.translator import SltModel


def is_published_mska(payload: Mapping[str, Any]) -> bool:
    """Whether a checkpoint has the names of the authors' `best.pth`."""
    state = payload.get("model")
    return isinstance(state, Mapping) and any(
        str(name).startswith("recognition_network.") for name in state
    )


def load_published_mska(model: SltModel, state: Mapping[str, Tensor], where: str) -> list[str]:
    """Load the `model` entry of a `best.pth`; returns a line for each network that it holds.

    The recognition network must be in the file and fit tensor by tensor; mapper and translation
    network are loaded where they are there (the sign-to-gloss checkpoints have none).

    Raises `InputError` naming what is missing, left over or of another shape.
    """
    if model.mska is None:
        raise InputError(
            "the file holds a keypoint network, the model has none", where=where,
            hint="add keypoints to model.streams",
        )  # fmt: skip
    try:
        parts = split_published(state)
        lines = [_fill(model.mska, parts.recognition, "recognition network")]
        if parts.mapper and model.mapper is not None:
            lines.append(_fill(model.mapper, parts.mapper, "mapper"))
    except ValueError as error:
        raise InputError(
            f"the published weights do not fit: {error}", where=where,
            hint="--preset mska-paper-mbart with the glosses of the published vocabulary",
        ) from error  # fmt: skip
    if parts.translation:
        lines.append(_fill_translation(model.decoder, parts.translation, where))
    return lines


def _fill(module: nn.Module, published: Mapping[str, Tensor], what: str) -> str:
    filled = from_published(published, module.state_dict())
    module.load_state_dict(filled)
    return f"loaded {len(filled)} of {len(filled)} tensors of the published {what}"


def _fill_translation(decoder: nn.Module, weights: Mapping[str, Tensor], where: str) -> str:
    try:
        decoder.get_submodule("model").load_state_dict(dict(weights))
    except (AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"the published translation network does not fit: {reason}",
            where=where, hint="its decoder is mBART with the authors' pruned vocabulary",
        ) from error  # fmt: skip
    return f"loaded {len(weights)} of {len(weights)} tensors of the published translation network"
