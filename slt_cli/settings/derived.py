"""Settings that follow from others where nothing says them.

- **Streams**: `model.streams` wherever it is written, a preset included. Nothing written: the
  streams whose folders are given (`data.face_dir`, `hand_left_dir`, `hand_right_dir`, `pose_dir`).
  `model.use_mska` then adds keypoints, or takes them away; a later layer's streams beat it.
- **Corpus**: with all four folders given side by side and no `data.corpus`, the folder they lie in.
- **Width**: without `model.d_model`, its default or the next width that the given numbers of heads
  divide.
- **Prompt**: a text or token ids without `decoder_prompt_init` are what the prompt starts from.
- **Downloads**: `training.allow_download` also turns the two `*_local_files_only` off that nothing
  turned on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slt_cli.settings.aliases import USE_MSKA, truth
from slt_cli.settings.model import ModelSettings

STREAMS = "model.streams"
DEFAULT_STREAMS = ("keypoints",)
FOLDERS = {
    "data.face_dir": "face", "data.hand_left_dir": "hand_left",
    "data.hand_right_dir": "hand_right", "data.pose_dir": "pose",
}  # fmt: skip


class Derived(NamedTuple):
    """A value and the keys that it follows from."""

    key: str
    value: Any
    because: tuple[str, ...]


def derived_values(given: Mapping[str, Any]) -> Iterator[Derived]:
    """What follows from the values that all layers gave together.

    Raises `ValueError` when `model.use_mska` is no truth value or leaves no stream.
    """
    folders = [key for key in FOLDERS if given.get(key) is not None]
    yield from _streams(given, folders)
    parents = {Path(str(given[key])).parent for key in folders}
    if len(folders) == len(FOLDERS) and len(parents) == 1 and "data.corpus" not in given:
        yield Derived("data.corpus", parents.pop(), tuple(folders))
    yield from _width(given)
    prompt = [
        key for key in ("model.decoder_prompt_text", "model.decoder_prompt_tokens")
        if given.get(key)
    ]  # fmt: skip
    if prompt and "model.decoder_prompt_init" not in given:
        yield Derived("model.decoder_prompt_init", "tokens", tuple(prompt))
    allowed = "training.allow_download"
    if str(given.get(allowed, False)).lower() in {"true", "1", "yes", "on"}:
        for key in ("data.tokenizer_local_files_only", "model.decoder_local_files_only"):
            if key not in given:
                yield Derived(key, False, (allowed,))


def _width(given: Mapping[str, Any]) -> Iterator[Derived]:
    defaults = {name: field.default for name, field in ModelSettings.model_fields.items()}
    names = ("temporal_heads", "decoder_heads")
    written = [f"model.{name}" for name in names if f"model.{name}" in given]
    heads = [str(given.get(f"model.{name}", defaults[name])) for name in names]
    if "model.d_model" in given or not written or not all(n.isdecimal() for n in heads):
        return  # a number of heads that is none is told by the settings
    step = math.lcm(*map(int, heads))
    width = step and -(-defaults["d_model"] // step) * step
    if width not in (0, defaults["d_model"]):
        yield Derived("model.d_model", width, tuple(written))


def _streams(given: Mapping[str, Any], folders: list[str]) -> Iterator[Derived]:
    because = (STREAMS,) if STREAMS in given else tuple(folders)
    named = given.get(STREAMS, [FOLDERS[key] for key in folders] or list(DEFAULT_STREAMS))
    if USE_MSKA in given and isinstance(named, list):  # else its own problem is told
        others = [stream for stream in named if stream != "keypoints"]
        wanted = truth(given[USE_MSKA])
        if not wanted and not others:
            raise ValueError("without keypoints there is no stream left")
        named, because = (["keypoints"] if wanted else []) + others, (*because, USE_MSKA)
    if because not in ((), (STREAMS,)):
        yield Derived(STREAMS, named, because)
