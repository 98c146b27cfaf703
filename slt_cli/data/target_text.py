"""Texts as targets: what training is taught and evaluation compares with, made alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")


def target_text(text: str, steps: Sequence[str] = ()) -> str:
    """`text` after the named steps, in their order; its spaces are tidied in any case.

    `lowercase`: as Unicode has it, whatever the language. `strip_punctuation`: an apostrophe inside
    a word is dropped, every other mark of punctuation becomes a space, so that words never grow
    together; signs such as + and $ stay. `strip_accents`: letters lose every combining mark, so
    that ñ is n and ü is u; scripts that write vowels with such marks lose those.

    Nothing may be left of a text. Raises KeyError for a step of another name.
    """
    for step in steps:
        text = _STEPS[step](text)
    return normalise_text(text)


def normalise_text(text: str) -> str:
    """NFC, with every run of white space a single space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _without_punctuation(text: str) -> str:
    text = _APOSTROPHE.sub("", text)
    return "".join(" " if unicodedata.category(mark)[0] == "P" else mark for mark in text)


def _without_accents(text: str) -> str:
    marks = unicodedata.normalize("NFD", text)
    return "".join(mark for mark in marks if not unicodedata.category(mark).startswith("M"))


_STEPS: dict[str, Callable[[str], str]] = {
    "lowercase": str.lower,
    "strip_punctuation": _without_punctuation,
    "strip_accents": _without_accents,
}
