"""`slt validate CORPUS`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slt_cli.corpus.checked_table import CheckedTable, TableLimits
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.rules.check import RULES, check_corpus, read_corpus
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.limits import Limits
from slt_cli.corpus.splits import SplitClip, Splits, make_splits
from slt_cli.corpus.table_rules import TABLE_RULES, check_table
from slt_cli.corpus.tables import read_table, write_index
from slt_cli.corpus.text_coder import load_text_coder
from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Report, Result
from slt_cli.pipelines.validation.text import count_text, findings_text
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import write_text


def validate_corpus(target: Path, settings: Settings, report: Report) -> Result:
    """Apply the rules of corpora to the folder `target`, and those of tables to its meta.csv.

    With `check.make_splits` the clips with texts are first dealt to index/*.csv, no video in two of
    them; with `check.html` the findings are also written as a page with pictures. Exit code 3 when
    a finding is as severe as `check.fail_on`. Raises `UsageError` when a file would be replaced
    without `check.overwrite`.
    """
    check = settings.check
    paths = CorpusPaths.from_root(target)
    outputs = _planned_outputs(paths, check)
    _refuse_existing(outputs, check.overwrite)
    corpus = read_corpus(paths, _limits(settings), report)
    splits = _deal(corpus, check) if check.make_splits else None
    findings = _merged([*check_corpus(corpus), *_table_findings(corpus, check)])
    errors = sum(finding.severity == "error" for finding in findings)
    failed = bool(errors if check.fail_on == "error" else findings)
    if check.html:
        _write_page(check.html, target, corpus, findings, failed)
    sizes = {split: len(ids) for split, ids in corpus.splits.items()}
    facts: dict[str, Any] = {
        "kind": "corpus", "clips": len(corpus.clips), "splits": sizes, "rules": len(_reasons()),
        "findings": [finding.as_dict(check.examples) for finding in findings],
    }  # fmt: skip
    if splits:
        facts |= {"shares": dict(splits.shares), "shared_texts": len(splits.leaks)}
    return Result(
        "validate", "failed" if failed else "ok", 3 if failed else 0,
        _text(target, corpus, findings, outputs, check.examples), outputs=outputs,
        counts={"clips": len(corpus.clips), "errors": errors, "warnings": len(findings) - errors},
        facts=facts,
    )  # fmt: skip


def _limits(settings: Settings) -> Limits:
    return Limits(
        min_coverage=settings.check.min_coverage,
        temporal_stride=settings.check.temporal_stride,
        temporal_kernel=settings.model.mska_temporal_kernel,
    )


def _planned_outputs(paths: CorpusPaths, check: CheckSettings) -> list[Path]:
    names = ("train", "val", "test") if check.make_splits else ()
    files = [paths.index(n) for n, share in zip(names, check.split_ratios, strict=False) if share]
    return [*files, *([check.html] if check.html else [])]


def _refuse_existing(outputs: Sequence[Path], overwrite: bool) -> None:
    for path in outputs:
        if path.suffix == ".csv" and path.exists() and not overwrite:
            raise UsageError("is already there", where=str(path), hint="--overwrite replaces it")


def _deal(corpus: Corpus, check: CheckSettings) -> Splits:
    """Write the splits, and let the rules see them instead of the old ones."""
    usable = [clip for clip in corpus.readable if clip.frames and clip.video_id in corpus.texts]
    if not usable:
        raise InputError(
            "no clip has a text, so there is nothing to split", where=str(corpus.paths.root),
            hint=f"put {corpus.paths.metadata_csv} there: video_id;texto",
        )  # fmt: skip
    clips = [
        SplitClip(
            clip.video_id,
            corpus.videos.get(clip.video_id) or clip.source_name or clip.video_id,
            corpus.texts[clip.video_id],
            clip.frames / (clip.fps or 1.0),
        )
        for clip in usable
    ]
    splits = make_splits(clips, check.split_ratios, check.seed)
    for split, ids in splits.ids.items():
        write_index(corpus.paths.index(split), ids)
    corpus.splits = {split: list(ids) for split, ids in splits.ids.items()}
    return splits


def _table_findings(corpus: Corpus, check: CheckSettings) -> list[Finding]:
    """What the rules of tables say about meta.csv; one that cannot be read is another finding."""
    longest = check.max_target_length
    coder = load_text_coder(check.tokenizer, longest) if check.tokenizer else None
    limits = TableLimits(
        check.duration_threshold, check.delta_threshold, check.temporal_stride, coder
    )
    path = corpus.paths.metadata_csv
    try:
        table = read_table(path) if path.is_file() else None
    except InputError:
        return []
    return check_table(CheckedTable(table, limits)) if table else []


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """One finding per rule: gloss rules look at both tables. Errors first, then by id."""
    by_rule: dict[str, Finding] = {}
    for finding in findings:
        known = by_rule.get(finding.rule)
        places = [*known.where, *finding.where] if known else finding.where
        by_rule[finding.rule] = replace(finding, where=places)
    return sorted(by_rule.values(), key=lambda f: (f.severity != "error", f.rule))


def _reasons() -> dict[str, str]:
    return {rule.id: rule.why for rule in (*TABLE_RULES, *RULES)}


def _write_page(
    path: Path, target: Path, corpus: Corpus, findings: list[Finding], failed: bool
) -> None:
    from slt_cli.pipelines.validation.corpus_page import corpus_page

    write_text(path, corpus_page(str(target), corpus, findings, _reasons(), failed))


def _text(
    target: Path, corpus: Corpus, findings: list[Finding], outputs: list[Path], examples: int
) -> str:
    sizes = [f"{len(ids)} {split}" for split, ids in corpus.splits.items()]
    lines = [*findings_text(findings, examples), *(f"wrote     {path}" for path in outputs)]
    lines.append(
        f"{target}: {len(corpus.clips)} clips, {', '.join(sizes) or 'no splits'}; "
        f"{count_text(findings)} of {len(_reasons())} rules"
    )
    return "\n".join(lines)
