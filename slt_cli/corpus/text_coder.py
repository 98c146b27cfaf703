"""Someone's tokenizer, as far as a check of texts needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError, UsageError

_END = -1


@dataclass(frozen=True)
class TextCoder:
    """`encode` gives the ids of a text, an end token included; the decoder emits `longest`."""

    encode: Callable[[str], Sequence[int]]
    unknown_id: int | None
    longest: int


def load_text_coder(path: Path, longest: int) -> TextCoder:
    """Load a `tokenizer.json` or SentencePiece `.model`, or the one inside a folder.

    Raises `UsageError` when there is none at `path`, `InputError` when it cannot be read.
    """
    file = _tokenizer_file(path)
    load = _from_json if file.suffix == ".json" else _from_sentencepiece
    try:
        return load(file, longest)
    except Exception as error:  # both libraries raise bare RuntimeError, OSError or Exception
        raise InputError(
            f"cannot be read as a tokenizer ({error})", where=str(file),
            hint="a tokenizer.json of the tokenizers library, or a SentencePiece .model",
        ) from error  # fmt: skip


def _tokenizer_file(path: Path) -> Path:
    inside = [path / "tokenizer.json", *sorted(path.glob("*.model"))] if path.is_dir() else [path]
    for file in inside:
        if file.is_file() and file.suffix in {".json", ".model"}:
            return file
    raise UsageError(
        "no tokenizer there", where=str(path),
        hint="--tokenizer FILE.json, FILE.model, or a folder with one of them",
    )  # fmt: skip


def _from_json(file: Path, longest: int) -> TextCoder:
    from tokenizers import Tokenizer

    text = file.read_text("utf-8")
    values: dict[str, Any] = json.loads(text)
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    model = values["model"]
    unknown = model.get("unk_id")  # unigram models name a number, all others a token
    if unknown is None and model.get("unk_token") is not None:
        unknown = tokenizer.token_to_id(model["unk_token"])
    end = [] if values.get("post_processor") else [_END]
    return TextCoder(lambda t: [*tokenizer.encode(t).ids, *end], unknown, longest)


def _from_sentencepiece(file: Path, longest: int) -> TextCoder:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(file))
    return TextCoder(lambda t: [*processor.encode(t), _END], processor.unk_id(), longest)
