"""`slt validate meta.csv`: check an annotation table, repair it, and split its videos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from slt_cli.corpus.checked_table import CheckedTable, TableLimits
from slt_cli.corpus.repairs import fix_table, refuse_source, repairs_file
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.segments import SegmentTable
from slt_cli.corpus.splits import SplitClip, make_splits
from slt_cli.corpus.table_rules import check_table
from slt_cli.corpus.tables import read_table
from slt_cli.corpus.text_coder import load_text_coder
from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Report, Result
from slt_cli.pipelines.validation.table_files import TableCheck, table_files
from slt_cli.pipelines.validation.table_page import table_page
from slt_cli.pipelines.validation.table_text import table_facts, table_text
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import write_text


def validate_table(target: Path, settings: Settings, report: Report) -> Result:
    """Check the table `target`; exit code 3 when a finding is as severe as `check.fail_on`.

    With `check.fix` a repaired copy is written and the verdict is about the copy. A check that
    writes anything (`fix`, `make_splits`, `emit_split_json` or `output_dir`) also writes the rows
    without usable time to `meta_missing.csv` and those that stand out to `meta_outliers.csv`, into
    `output_dir`, else beside the copy, else beside the table. `check.html` gets the findings as a
    page. Raises `InputError` when the table
    cannot be read, `UsageError` when a file would be replaced without `check.overwrite`.
    """
    check = settings.check
    files = table_files(target, check)
    copy = [check.fix, repairs_file(check.fix)] if check.fix else []
    _refuse_existing(target, [*copy, *files], check.overwrite)
    if check.html:
        refuse_source(target, check.html)
    source = _inspect(target, check)
    splits = None
    if check.make_splits:
        splits = make_splits(_split_clips(source.segments), check.split_ratios, check.seed)
    fixed = fix_table(target, check.fix, check.columns) if check.fix else None
    checked = _inspect(fixed.path, check) if fixed else source
    findings = [_judged(finding, check) for finding in check_table(checked)]
    findings.sort(key=lambda finding: finding.severity != "error")
    done = TableCheck(source, checked, findings, fixed, splits)
    for number, (path, write) in enumerate(files.items(), 1):
        write(path, done)
        report("write", done=number, total=len(files))
    outputs = [*copy, *files]
    if check.html:
        write_text(check.html, table_page(str(target), done, _fails(findings, check)))
        outputs.append(check.html)
    return _result(target, done, outputs, check)


def _inspect(path: Path, check: CheckSettings) -> CheckedTable:
    table = read_table(path, check.columns)
    table.need("id")
    if table.find("gloss") is None:
        table.need("text")
    coder = load_text_coder(check.tokenizer, check.max_target_length) if check.tokenizer else None
    return CheckedTable(
        table,
        TableLimits(
            check.duration_threshold, check.delta_threshold, check.temporal_stride, coder
        ),
    )  # fmt: skip


def _refuse_existing(target: Path, paths: Iterable[Path], overwrite: bool) -> None:
    for path in paths:
        refuse_source(target, path)
        if path.exists() and not overwrite:
            raise UsageError("is already there", where=str(path), hint="--overwrite replaces it")


def _judged(finding: Finding, check: CheckSettings) -> Finding:
    """Outliers are errors where the user says so."""
    outlier = finding.rule.startswith("O")
    return replace(finding, severity="error") if outlier and check.fail_on_outliers else finding


def _split_clips(segments: SegmentTable) -> list[SplitClip]:
    """Clips weighed by their seconds, or equally where the table does not tell all of them."""
    timed = all(segment.duration_s is not None for segment in segments.segments)
    return [
        SplitClip(s.clip_id, s.video, s.text, s.duration_s or 1.0 if timed else 1.0)
        for s in segments.segments
    ]


def _fails(findings: list[Finding], check: CheckSettings) -> bool:
    return any(finding.severity == "error" or check.fail_on == "warning" for finding in findings)


def _result(target: Path, done: TableCheck, outputs: list[Path], check: CheckSettings) -> Result:
    errors = sum(finding.severity == "error" for finding in done.findings)
    warnings = len(done.findings) - errors
    failed = _fails(done.findings, check)
    facts = table_facts(done, check.examples)
    return Result(
        "validate", "failed" if failed else "ok", 3 if failed else 0,
        table_text(target, done, outputs, check.examples),
        outputs=outputs,
        counts={"rows": len(done.checked.table.rows), "errors": errors, "warnings": warnings},
        warnings=list(done.fixed.notes) if done.fixed else [],
        facts=facts,
    )  # fmt: skip
