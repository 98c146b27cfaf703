"""What a rule is: an id, a severity, a reason, and one function that names who breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slt_cli.corpus.rules.finding import Severity

if TYPE_CHECKING:
    from slt_cli.corpus.rules.clip import OpenClip
    from slt_cli.corpus.rules.corpus import Corpus


@dataclass(frozen=True)
class Rule:
    """What every rule says about itself; `id` is what scripts and reports refer to."""

    id: str
    severity: Severity
    title: str
    why: str


@dataclass(frozen=True)
class ClipRule(Rule):
    """`find(clip)` yields what is wrong with one clip, while its arrays are in memory."""

    find: Callable[[OpenClip], Iterable[str]]


@dataclass(frozen=True)
class CorpusRule(Rule):
    """`find(corpus)` yields the clips or lines at fault, once all clips have been read."""

    find: Callable[[Corpus], Iterable[str]]


def clip_rule(
    id: str, severity: Severity, title: str, *, why: str
) -> Callable[[Callable[[OpenClip], Iterable[str]]], ClipRule]:
    """Make a function of one clip a rule."""
    return lambda find: ClipRule(id, severity, title, why, find)


def corpus_rule(
    id: str, severity: Severity, title: str, *, why: str
) -> Callable[[Callable[[Corpus], Iterable[str]]], CorpusRule]:
    """Make a function of the whole corpus a rule."""
    return lambda find: CorpusRule(id, severity, title, why, find)
