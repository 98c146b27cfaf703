"""Spellings of the older scripts that still mean what they meant, in one table each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

USE_MSKA = "model.use_mska"
"""Whether keypoints are among the streams: no setting, `derived` turns it into `model.streams`."""


class Renamed(NamedTuple):
    """The key that took the place of an older one, and whether it says the opposite."""

    key: str
    opposite: bool = False


KEYS: dict[str, Renamed] = {
    "model.mska_no_sgr": Renamed("model.mska_use_sgr", opposite=True),
    "model.mska_sgr_per_stream": Renamed("model.mska_sgr_shared", opposite=True),
    "model.pretrained": Renamed("training.pretrained"),
    "model.pretrained_checkpoint": Renamed("training.pretrained_checkpoint"),
    "optim.precision": Renamed("training.precision"),
    "optim.compile": Renamed("training.compile"),
    "optim.compile_mode": Renamed("training.compile_mode"),
    "training.label_smoothing": Renamed("optim.label_smoothing"),
    "training.grad_accum_steps": Renamed("optim.grad_accum_steps"),
    "training.clip_grad_norm": Renamed("optim.clip_grad_norm"),
}
"""Keys that the scripts' files kept elsewhere or under another name."""

VALUES: dict[str, dict[str, str]] = {
    "optim.optimizer": {"AdamW": "adamw", "Adam": "adam", "SGD": "sgd"},
    "optim.scheduler": {"steplr": "step"},
    "training.precision": {"amp": "bf16", "float32": "fp32"},
    "model.mska_sgr_activation": {"linear": "identity", "none": "identity"},
}
"""Values under the names of the scripts. `amp` is bf16: as fast as fp16, and without scaling."""

_TRUE, _FALSE = {"true", "1", "yes", "on", "t", "y"}, {"false", "0", "no", "off", "f", "n"}
_MIXED = "data.mix_streams"


def is_old_key(key: str) -> bool:
    """Whether the scripts' files had this key and the settings have not."""
    return key == USE_MSKA or key in KEYS


def replacement(key: str) -> str:
    """What to write instead of an old key."""
    if key == USE_MSKA:
        return "keypoints in model.streams"
    renamed = KEYS[key]
    return f"not {renamed.key}" if renamed.opposite else renamed.key


def current_value(key: str, value: Any) -> Any:
    """A value as the settings write it. Raises `ValueError` where it cannot be one."""
    if key == _MIXED:
        return _mixing(value)
    known = VALUES.get(key, {})
    return known.get(value, value) if isinstance(value, str) else value


def truth(value: Any) -> bool:
    """True or false from a file, or from a text. Raises `ValueError` for anything else."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"must be true or false, not {word!r}")
    return word in _TRUE


def _mixing(value: Any) -> Any:
    """`{"hand_left": 0.25}` from a mapping or from texts `hand-left:0.25`; P is 1 without one."""
    if isinstance(value, str):
        value = [value] if value else []
    if isinstance(value, Sequence):
        pairs = [str(text).partition(":") for text in value]
        value = {name: share if colon else 1.0 for name, colon, share in pairs}
    if not isinstance(value, Mapping):
        raise ValueError("must be STREAM or STREAM:P, or a mapping of streams to probabilities")
    return {
        str(name).strip().replace("-", "_"): _share(str(name), share)
        for name, share in value.items()
    }


def _share(name: str, share: Any) -> float:
    try:
        number = None if isinstance(share, bool) else float(share)
    except (TypeError, ValueError):
        number = None
    if number is None or not 0 <= number <= 1:  # NaN is not, either
        raise ValueError(f"the probability of {name} must be a number from 0 to 1, not {share}")
    return number
