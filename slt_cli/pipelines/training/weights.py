"""The weights that a new run starts from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.data.tokenizer import TextTokenizer
    from slt_cli.models.translator import SltModel

DIFF = "slt config diff RUN_A RUN_B shows how two runs differ"


def start_weights(
    model: SltModel, settings: Settings, tokenizer: TextTokenizer, glosses: list[str]
) -> list[str]:
    """Fill a new model from the files that the settings name, or that lie where one is looked for.

    Returns a line about each. Raises `MissingAsset` for a file that is not there, `InputError` and
    `UsageError` for one that does not fit.
    """
    from slt_cli.builders import load_mska_encoder_state
    from slt_cli.builders.assets import find_pretrained, start_from_pretrained

    lines, words = [], (tokenizer, glosses)
    found = find_pretrained(settings, os.environ)
    if found is not None:
        lines.append(
            start_from_pretrained(
                found, lambda: _fill(model, _read(found), found, settings), settings,
                differs=lambda: _other_words(_read(found), *words),
            )[1]
        )  # fmt: skip
    checkpoint = settings.training.init_checkpoint
    if checkpoint is not None:
        payload = _read(checkpoint)
        lines += _fill(model, payload, checkpoint, settings)
        differing = _other_words(payload, *words)
        if differing:
            lines.append(f"{checkpoint}: {differing}; what it knows of them is of little use")
    named = settings.model
    return lines + load_mska_encoder_state(
        model, face=named.mska_face_state, hand=named.mska_hand_state, body=named.mska_body_state
    )


def _read(path: Path) -> dict[str, Any]:
    from slt_cli.storage.checkpoint import load_checkpoint

    if not path.is_file():
        raise MissingAsset("no such checkpoint", where=str(path), hint="check --init-checkpoint")
    return load_checkpoint(path)


def _fill(model: SltModel, payload: dict[str, Any], path: Path, settings: Settings) -> list[str]:
    """Weights of another run, or those that the authors of MSKA published.

    Between a run that reads glosses and one that reads signing only the text decoder is the same.
    """
    from slt_cli.builders.published import is_published_mska, load_published_mska
    from slt_cli.builders.weights import load_strictly

    if is_published_mska(payload):
        return load_published_mska(model, payload["model"], str(path))
    weights = payload.get("model")
    if not isinstance(weights, dict):
        raise UsageError("the file holds no model", where=str(path), hint="give best.pt of a run")
    target, what = model, "the model"
    if (settings.training.task, _task(payload)) == ("sign2gloss", "gloss2text"):
        raise UsageError(
            "of a gloss2text run only the text decoder could be taken, which sign2gloss does not "
            "train", where=str(path), hint="--task sign2text",
        )  # fmt: skip
    if (_task(payload) == "gloss2text") != (settings.training.task == "gloss2text"):
        target, what, prefix = model.decoder, "the text decoder", "decoder."
        weights = {
            name.removeprefix(prefix): tensor
            for name, tensor in weights.items()
            if name.startswith(prefix)
        }
    try:
        count = load_strictly(target, weights, what=what, where=str(path), hint=DIFF)
    except InputError as error:
        raise UsageError(
            f"the checkpoint does not fit this model: {error.message}", where=str(path), hint=DIFF
        ) from error
    return [f"{what} starts from {path}: {count} tensors"]


def _task(payload: dict[str, Any]) -> str:
    return str(payload.get("settings", {}).get("training", {}).get("task", "sign2text"))


def _other_words(
    payload: dict[str, Any], tokenizer: TextTokenizer, glosses: list[str]
) -> str | None:
    """Which words of a checkpoint are not those of this run; None for the same ones."""
    differing = []
    if payload.get("tokenizer", tokenizer.to_json()) != tokenizer.to_json():
        differing.append("tokens")
    if list(payload.get("glosses") or glosses) != glosses:
        differing.append("glosses")
    return f"its {' and '.join(differing)} are other ones" if differing else None
