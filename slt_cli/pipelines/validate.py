"""`slt validate`: check a corpus, a run or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.pipelines.validation.corpus import validate_corpus
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings


def plan_validate(target: Path, loaded: Loaded) -> Result:
    """What would be checked."""
    plan = Plan("validate", missing=[] if target.exists() else [f"{target} (nothing there)"])
    what = "checkpoint" if _is_run(target) else "corpus"
    plan.steps.append(f"check the {what} {target}")
    return plan.as_result(loaded.overrides())


def run_validate(target: Path, settings: Settings, report: Report) -> Result:
    """Check `target`; exit code 3 when a finding is as severe as `check.fail_on`.

    Raises `UsageError` when there is nothing at `target`, `InputError` for a damaged checkpoint.
    """
    if not target.exists():
        raise UsageError("nothing to check there", where=str(target), hint="slt extract VIDEO...")
    if _is_run(target):
        return _check_run(target)
    if target.is_file():
        raise UsageError(
            "neither a corpus nor a run", where=str(target),
            hint="slt validate CORPUS, slt validate RUN or slt validate RUN/best.pt",
        )  # fmt: skip
    return validate_corpus(target, settings, report)


def _is_run(target: Path) -> bool:
    return target.suffix == ".pt" or (target / "config.json").is_file()


def _check_run(target: Path) -> Result:
    """Verify the checkpoints of a run; damage raises `InputError`."""
    from slt_cli.storage.checkpoint import load_checkpoint

    files = [target] if target.is_file() else sorted(target.glob("*.pt"))
    facts = {}
    for path in files:
        payload = load_checkpoint(path)
        facts[path.name] = {
            "kind": payload.get("kind"), "version": payload.get("version"),
            "progress": {k: v for k, v in payload.get("progress", {}).items() if k != "sums"},
        }  # fmt: skip
    text = "\n".join(
        f"ok  {target if target.is_file() else target / name}  {info['kind']}  "
        f"epoch {info['progress'].get('epoch')}  step {info['progress'].get('step')}"
        for name, info in facts.items()
    )
    return Result("validate", text=text, counts={"checkpoints": len(files)}, facts=facts)
