"""All rules, and their application to a corpus: every clip is read once, and one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.rules import (
    contract,
    files,
    glosses,
    quality,
    splits,
    texts,
    uniformity,
)
from slt_cli.corpus.rules.clip import ClipFacts, OpenClip, unreadable
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.limits import Limits
from slt_cli.corpus.rules.rule import ClipRule, CorpusRule, Rule
from slt_cli.errors import InputError

_MODULES = (contract, uniformity, quality, files, texts, glosses, splits)
RULES: tuple[Rule, ...] = tuple(
    sorted(
        (rule for module in _MODULES for rule in vars(module).values() if isinstance(rule, Rule)),
        key=lambda rule: rule.id,
    )
)
"""Every rule that a module of this folder defines, by id."""


def read_corpus(paths: CorpusPaths, limits: Limits, report: Callable[..., None]) -> Corpus:
    """Read tables and clips, and note what the rules for single clips find.

    `report("check", done=, total=)` is called after each clip.
    """
    corpus = Corpus(paths, limits)
    clips = corpus.clip_files()
    for done, path in enumerate(clips, 1):
        corpus.clips.append(_check_clip(corpus, path))
        report("check", done=done, total=len(clips))
    return corpus


def check_corpus(corpus: Corpus) -> list[Finding]:
    """What all rules find in a corpus that has been read: errors first, then by id."""
    found = []
    for rule in RULES:
        places = corpus.problems[rule.id]
        if isinstance(rule, CorpusRule):
            places = list(rule.find(corpus))
        if places:
            found.append(Finding(rule.id, rule.severity, rule.title, places))
    return sorted(found, key=lambda finding: finding.severity != "error")


def _check_clip(corpus: Corpus, path: Path) -> ClipFacts:
    video_id = path.stem
    try:
        arrays = load_clip_keypoints(path)
    except InputError as error:
        return unreadable(video_id, error)
    clip = OpenClip(video_id, arrays, corpus.paths, corpus.crops, corpus.limits)
    for rule in RULES:
        if isinstance(rule, ClipRule):
            corpus.problems[rule.id] += [f"{video_id}: {problem}" for problem in rule.find(clip)]
    return clip.facts()
