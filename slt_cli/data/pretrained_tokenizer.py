"""Tokenizers of pretrained models, read from their files."""

from __future__ import annotations

from pathlib import Path

from slt_cli.data.sentencepiece_model import tokenizer_from_sentencepiece
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError

FILES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model")
"""Names under which Hugging Face keeps tokenizers, best first."""


def tokenizer_file(path: Path) -> Path | None:
    """`path` itself when it is a file, or the tokenizer inside that folder; None without one."""
    if path.is_file():
        return path
    inside = [path / name for name in FILES] + sorted(path.glob("*.model"))
    return next((file for file in inside if file.is_file()), None)


def load_tokenizer(file: Path) -> TextTokenizer:
    """Read a `tokenizer.json` or a SentencePiece `.model`.

    Raises `InputError` when it cannot be read or lacks a special token.
    """
    try:
        if file.suffix == ".json":
            return TextTokenizer.from_json(file.read_text("utf-8"))
        return TextTokenizer(tokenizer_from_sentencepiece(file.read_bytes()))
    except InputError as error:
        error.where = str(file)
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the tokenizer cannot be read ({error})", where=str(file)) from error
