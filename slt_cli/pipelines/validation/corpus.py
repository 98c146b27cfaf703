"""`slt validate CORPUS`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.rules.check import RULES, check_corpus, read_corpus
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.limits import Limits
from slt_cli.pipelines.result import Report, Result
from slt_cli.pipelines.validation.text import count_text, findings_text
from slt_cli.settings.root import Settings


def validate_corpus(target: Path, settings: Settings, report: Report) -> Result:
    """Apply every rule to the corpus in the folder `target`.

    Exit code 3 when a finding is as severe as `check.fail_on`.
    """
    check = settings.check
    corpus = read_corpus(CorpusPaths.from_root(target), _limits(settings), report)
    findings = check_corpus(corpus)
    return _result(target, corpus, findings, check.examples, check.fail_on)


def _limits(settings: Settings) -> Limits:
    return Limits(
        min_coverage=settings.check.min_coverage,
        temporal_stride=settings.check.temporal_stride,
        temporal_kernel=settings.model.mska_temporal_kernel,
    )


def _result(
    target: Path, corpus: Corpus, findings: list[Finding], examples: int, fail_on: str
) -> Result:
    errors = sum(finding.severity == "error" for finding in findings)
    failed = errors if fail_on == "error" else len(findings)
    splits = {split: len(ids) for split, ids in corpus.splits.items()}
    facts: dict[str, Any] = {
        "kind": "corpus", "clips": len(corpus.clips), "splits": splits, "rules": len(RULES),
        "findings": [finding.as_dict(examples) for finding in findings],
    }  # fmt: skip
    told = ", ".join(f"{count} {split}" for split, count in splits.items()) or "no splits"
    summary = f"{target}: {len(corpus.clips)} clips, {told}; {count_text(findings)}"
    return Result(
        "validate", "failed" if failed else "ok", 3 if failed else 0,
        "\n".join([*findings_text(findings, examples), f"{summary} of {len(RULES)} rules"]),
        counts={"clips": len(corpus.clips), "errors": errors, "warnings": len(findings) - errors},
        facts=facts,
    )  # fmt: skip
