"""`slt validate`: what is there to check, and who checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slt_cli.corpus.rules.rule import Rule
from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.pipelines.validation import metrics, run
from slt_cli.pipelines.validation.text import rules_text
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.settings.files import SUFFIXES
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings, flag_of

Kind = Literal["corpus", "table", "settings file", "checkpoint", "run", "bundle", "metrics"]

_BY_SUFFIX: tuple[tuple[set[str], Kind], ...] = (
    ({".csv", ".tsv", ".txt"}, "table"),
    (SUFFIXES, "settings file"),
    ({".pt", ".pth"}, "checkpoint"),
)
_ONLY_FOR: dict[str, set[Kind]] = {
    "html": {"corpus", "table"},
    "columns": {"table"},
    "tokenizer": {"corpus", "table"},
    "make_splits": {"corpus", "table"},
    "fix": {"table"},
    "emit_split_json": {"table"},
    "fail_on_outliers": {"table"},
    "output_dir": {"table"},
    "reference": {"metrics"},
}


def plan_validate(target: Path, loaded: Loaded, subject: Path | None = None) -> Result:
    """What would be checked."""
    checked, check = subject or target, loaded.settings.check
    plan = Plan("validate")
    if checked.exists():
        kind = kind_of(target, subject)
        _refuse_misplaced(kind, check, target)
        verb = "compare the metrics of" if kind == "metrics" else f"check the {kind}"
        plan.steps.append(f"{verb} {checked}")
    else:
        plan.missing.append(f"{checked} (nothing there)")
    if check.html:
        plan.steps.append(f"write {check.html}")
    if check.make_splits:
        plan.steps.append("write index/train.csv, index/val.csv and index/test.csv")
    if check.fix:
        plan.steps.append(f"write {check.fix}")
    return plan.as_result(loaded.overrides())


def run_validate(
    target: Path, settings: Settings, report: Report, subject: Path | None = None
) -> Result:
    """Check `target`, or compare the metrics of the run `subject` when `target` is `metrics`.

    Exit code 3 when a finding is as severe as `check.fail_on`, 7 when metrics or a bundle differ
    from what they should be. Raises `UsageError` when there is nothing to check at `target` or an
    option is for something else, `InputError` for a damaged checkpoint.
    """
    kind = kind_of(target, subject)
    _refuse_misplaced(kind, settings.check, target)
    if kind == "metrics":
        return metrics.validate_metrics(subject or target, settings.check)
    if kind == "settings file":
        return run.validate_config(target)
    if kind == "checkpoint":
        return run.validate_checkpoint(target)
    if kind == "run":
        return run.validate_run(target, settings.check, report)
    if kind == "bundle":
        return run.validate_bundle(target)
    if kind == "table":
        from slt_cli.pipelines.validation.table import validate_table

        return validate_table(target, settings, report)
    from slt_cli.pipelines.validation.corpus import validate_corpus

    return validate_corpus(target, settings, report)


def kind_of(target: Path, subject: Path | None = None) -> Kind:
    """What there is to check, told by file names. Raises `UsageError` for anything else."""
    if subject is not None:
        if str(target) != "metrics":
            raise UsageError(
                "one thing at a time", where=f"{target} {subject}",
                hint="slt validate TARGET, or slt validate metrics RUN --reference FILE",
            )  # fmt: skip
        return "metrics"
    if not target.exists():
        raise UsageError("nothing to check there", where=str(target), hint=_what_next(target))
    if target.is_dir():
        return _kind_of_folder(target)
    for suffixes, kind in _BY_SUFFIX:
        if target.suffix.lower() in suffixes:
            return kind
    raise UsageError(
        "neither a corpus nor a table, settings file, checkpoint, run or bundle",
        where=str(target),
        hint="slt validate CORPUS, or a .csv, .yaml or .pt file, or the folder of a run",
    )


def _kind_of_folder(folder: Path) -> Kind:
    if (folder / "keypoints").is_dir():
        return "corpus"
    if (folder / "manifest.json").is_file():
        return "bundle"
    has_run = (folder / "config.json").is_file() or any(folder.glob("*.pt"))
    return "run" if has_run else "corpus"


def _what_next(target: Path) -> str:
    if str(target) == "metrics":
        return "slt validate metrics RUN --reference FILE"
    return "slt extract VIDEO... writes a corpus"


def _refuse_misplaced(kind: Kind, check: CheckSettings, target: Path) -> None:
    """An option that would be ignored is a mistake about what it does."""
    for name, kinds in _ONLY_FOR.items():
        if getattr(check, name) and kind not in kinds:
            flag = flag_of(name, CheckSettings.model_fields[name])
            raise UsageError(
                f"{flag} is for a {' or a '.join(sorted(kinds))}; this is a {kind}",
                where=str(target), hint="slt validate --help",
            )  # fmt: skip


def list_all_rules() -> Result:
    """Every rule for corpora, tables and runs, with its severity and why it matters."""
    rules = all_rules()
    listed = [{"rule": r.id, "severity": r.severity, "title": r.title, "why": r.why} for r in rules]
    return Result("validate", text=rules_text(rules), facts={"rules": listed})


def all_rules() -> list[Rule]:
    """Every rule, by id."""
    from slt_cli.corpus.rules.check import RULES
    from slt_cli.corpus.table_rules import TABLE_RULES

    by_id = {rule.id: rule for rule in (*TABLE_RULES, *RULES, *run.RUN_RULES)}
    return [by_id[name] for name in sorted(by_id)]
