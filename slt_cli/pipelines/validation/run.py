"""`slt validate` of a settings file, a checkpoint, a run or an exported bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.rule import Rule
from slt_cli.errors import InputError
from slt_cli.pipelines.result import Report, Result
from slt_cli.pipelines.validation.text import count_text, findings_text
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.settings.load import load_settings
from slt_cli.storage.atomic import read_jsonl
from slt_cli.storage.hashes import sha256_file


@dataclass(frozen=True)
class RunRule(Rule):
    """`find(run)` yields what is wrong with the files of a run."""

    find: Callable[[RunFiles], Iterator[str]]


class RunFiles:
    """The folder of a run, each file read once; `report` is told of each."""

    def __init__(self, path: Path, report: Report) -> None:
        self.path = path
        self._report = report

    @cached_property
    def checkpoints(self) -> dict[str, dict[str, Any] | InputError]:
        """What each checkpoint tells of itself, or why it cannot be read."""
        found: dict[str, dict[str, Any] | InputError] = {}
        files = sorted(self.path.glob("*.pt"))
        for done, path in enumerate(files, 1):
            try:
                found[path.name] = checkpoint_facts(path)
            except InputError as error:
                found[path.name] = error
            self._report("check", done=done, total=len(files))
        return found

    @cached_property
    def artifacts(self) -> dict[str, Any]:
        """`artifacts.json`, empty when it is not there or cannot be read."""
        return _read_object(self.path / "artifacts.json") or {}


def _checkpoints_readable(run: RunFiles) -> Iterator[str]:
    for name, facts in run.checkpoints.items():
        if isinstance(facts, InputError):
            yield f"{name}: {facts.message}"


def _has_checkpoint(run: RunFiles) -> Iterator[str]:
    if not run.checkpoints:
        yield str(run.path)


def _files_unchanged(run: RunFiles) -> Iterator[str]:
    files = run.artifacts.get("files")
    for name, told in files.items() if isinstance(files, dict) else ():
        path = run.path / name
        if not path.is_file():
            yield f"{name}: missing"
        elif isinstance(told, dict) and sha256_file(path) != told.get("sha256"):
            yield f"{name}: another sha256 than in artifacts.json"


def _config_readable(run: RunFiles) -> Iterator[str]:
    path = run.path / "config.json"
    if path.is_file() and not isinstance((_read_object(path) or {}).get("settings"), dict):
        yield f"{path.name}: not what slt train writes"


def _metrics_finite(run: RunFiles) -> Iterator[str]:
    for record in read_jsonl(run.path / "metrics.jsonl"):
        odd = [k for k, v in record.items() if isinstance(v, float) and not math.isfinite(v)]
        if odd:
            yield f"epoch {record.get('epoch')}: {', '.join(odd)}"


def _finished(run: RunFiles) -> Iterator[str]:
    status = run.artifacts.get("status", "running")
    if status != "completed":
        yield f"{status}" + (" (or killed)" if status == "running" else "")


RUN_RULES = (
    RunRule("R001", "error", "checkpoint cannot be read",
            "cut, altered, or holding more than tensors and plain values", _checkpoints_readable),
    RunRule("R002", "error", "no checkpoint", "there is nothing to evaluate or to go on from",
            _has_checkpoint),
    RunRule("R003", "error", "file changed since the run ended",
            "it is not what the run wrote", _files_unchanged),
    RunRule("R004", "error", "config.json cannot be read",
            "it says how the run was made", _config_readable),
    RunRule("R005", "error", "metric that is no number", "training had diverged", _metrics_finite),
    RunRule("R006", "warning", "run not completed",
            "slt train --resume continues it", _finished),
)  # fmt: skip
"""The rules for the folder of a run."""


def validate_run(target: Path, check: CheckSettings, report: Report) -> Result:
    """Check every file of a run; exit code 3 when a finding is as severe as `check.fail_on`."""
    run = RunFiles(target, report)
    found = [Finding(r.id, r.severity, r.title, list(r.find(run))) for r in RUN_RULES]
    findings = [finding for finding in found if finding.where]
    errors = sum(finding.severity == "error" for finding in findings)
    failed = errors if check.fail_on == "error" else len(findings)
    good = {name: f for name, f in run.checkpoints.items() if not isinstance(f, InputError)}
    lines = [*findings_text(findings, check.examples)]
    lines += [_line(target / name, facts) for name, facts in good.items()]
    lines.append(f"{target}: {len(run.checkpoints)} checkpoints; {count_text(findings)}")
    return Result(
        "validate", "failed" if failed else "ok", 3 if failed else 0, "\n".join(lines),
        counts={
            "checkpoints": len(run.checkpoints), "errors": errors,
            "warnings": len(findings) - errors,
        },
        facts={
            "kind": "run", "checkpoints": good,
            "findings": [finding.as_dict(check.examples) for finding in findings],
        },
    )  # fmt: skip


def validate_checkpoint(target: Path) -> Result:
    """Check one checkpoint. Raises `InputError` when it is damaged, hostile or of another slt."""
    facts = checkpoint_facts(target)
    return Result(
        "validate", text=_line(target, facts), counts={"checkpoints": 1},
        facts={"kind": "checkpoint", "checkpoints": {target.name: facts}},
    )  # fmt: skip


def checkpoint_facts(path: Path) -> dict[str, Any]:
    """Kind, version and progress of a checkpoint whose every byte has been checked.

    Raises `InputError` like `load_checkpoint`, and for a model of another version of slt.
    """
    from slt_cli.pipelines.run_settings import settings_of, shape_of
    from slt_cli.storage.checkpoint import load_checkpoint

    payload = load_checkpoint(path)
    if payload.get("kind") == "translator":
        settings_of(payload, path)
        shape_of(payload, path)
    progress = payload.get("progress")
    return {
        "kind": payload.get("kind"), "version": payload.get("version"),
        "progress": {k: v for k, v in progress.items() if k != "sums"}
        if isinstance(progress, dict) else {},
    }  # fmt: skip


def validate_config(target: Path) -> Result:
    """Check a settings file. Raises `SettingsError` with everything that is wrong with it."""
    loaded = load_settings(config_files=[target])
    given = loaded.overrides()
    lines = [f"{key} = {json.dumps(v['value'], ensure_ascii=False)}" for key, v in given.items()]
    lines.append(f"{target}: {len(given)} settings, all known and within bounds")
    return Result(
        "validate", text="\n".join(lines), counts={"settings": len(given)},
        facts={"kind": "config", "settings": given},
    )  # fmt: skip


def validate_bundle(target: Path) -> Result:
    """Check an exported bundle against its manifest.

    Raises `InputError` when a file is missing, `VerificationError` when one has changed.
    """
    from slt_cli.export.bundle import read_bundle

    bundle = read_bundle(target)
    files = bundle.manifest["files"]
    size = sum(int(file.get("bytes", 0)) for file in files.values())
    return Result(
        "validate",
        text=f"{target}: {len(files)} files, {size / 2**20:.1f} MiB, all as they were exported",
        counts={"files": len(files)},
        facts={"kind": "bundle", "files": files},
    )


def _line(path: Path, facts: dict[str, Any]) -> str:
    progress = facts["progress"]
    at = f"  epoch {progress['epoch']}  step {progress.get('step')}" if "epoch" in progress else ""
    return f"ok  {path}  {facts['kind'] or 'weights'}{at}"


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
