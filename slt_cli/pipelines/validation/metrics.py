"""`slt validate metrics RUN --reference FILE`: has the run come out as it did before?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from slt_cli.errors import InputError, UsageError
from slt_cli.pipelines.result import Result
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.storage.atomic import read_jsonl

_NOT_COMPARED = (
    "epoch", "step", "clips", "samples_per_s", "frames_per_s", "seconds_per_iteration",
    "wait_share", "peak_memory_mib",
)  # fmt: skip
_HINT = 'a metrics.jsonl, a report.json of slt eval, or a JSON object like {"bleu": 30}'

Verdict = Literal["ok", "outside", "missing"]


@dataclass(frozen=True)
class Compared:
    """One metric of the reference and of the run; `difference` is relative to the reference."""

    name: str
    reference: float
    found: float | None
    difference: float | None
    verdict: Verdict


def validate_metrics(run: Path, check: CheckSettings) -> Result:
    """Compare each metric of `check.reference` with that of the run, better or worse alike.

    An epoch log is compared at the reference's `epoch`, else at its last one. Exit code 7 when a
    metric differs by more than `check.tolerance` or is missing. Raises `UsageError` without a
    reference, `InputError` for files that hold no metrics.
    """
    if check.reference is None:
        raise UsageError(
            "nothing to compare with", where=str(run),
            hint=f"slt validate metrics {run} --reference FILE --tolerance 0.05",
        )  # fmt: skip
    reference = _read(check.reference)
    path = _metrics_file(run, reference)
    found = _epoch(_read_all(path), reference.get("epoch"), path)
    wanted = {k: v for k, v in _numbers(reference, check.reference).items() if _is_compared(k)}
    if not wanted:
        raise InputError("no metric to compare with", where=str(check.reference), hint=_HINT)
    numbers = _numbers(found, path)
    rows = [_compare(name, wanted[name], numbers.get(name), check.tolerance) for name in wanted]
    return _result(path, check, rows, found.get("epoch"))


def _compare(name: str, reference: float, found: float | None, tolerance: float) -> Compared:
    if found is None:
        return Compared(name, reference, None, None, "missing")
    change = found - reference
    difference = change / abs(reference) if reference else None if change else 0.0
    within = difference is not None and abs(difference) <= tolerance
    return Compared(name, reference, found, difference, "ok" if within else "outside")


def _result(path: Path, check: CheckSettings, rows: list[Compared], epoch: Any) -> Result:
    failed = [row for row in rows if row.verdict != "ok"]
    width = max(len("metric"), *(len(row.name) for row in rows))
    lines = [f"{'metric':<{width}}  {'reference':>11}  {'found':>11}  {'difference':>10}  verdict"]
    lines += [_line(row, width) for row in rows]
    at = "" if epoch is None else f" (epoch {epoch})"
    lines.append(
        f"{path}{at}: {len(rows) - len(failed)} of {len(rows)} metrics within "
        f"{check.tolerance:.3g} of {check.reference}"
    )
    return Result(
        "validate", "failed" if failed else "ok", 7 if failed else 0, "\n".join(lines),
        counts={"compared": len(rows), "failed": len(failed)},
        facts={
            "kind": "metrics", "file": str(path), "epoch": epoch, "tolerance": check.tolerance,
            "reference": str(check.reference), "metrics": [asdict(row) for row in rows],
        },
    )  # fmt: skip


def _line(row: Compared, width: int) -> str:
    found = "-" if row.found is None else f"{row.found:.6g}"
    difference = "-" if row.difference is None else f"{row.difference:+.2%}"
    return (
        f"{row.name:<{width}}  {row.reference:>11.6g}  {found:>11}  {difference:>10}  {row.verdict}"
    )


def _is_compared(name: str) -> bool:
    """Times and speeds differ between machines; epoch and step say where, not how well."""
    return name not in _NOT_COMPARED and not name.endswith("_s")


def _metrics_file(run: Path, reference: Mapping[str, Any]) -> Path:
    """The file of a run to compare: a report where the reference is one, else the epoch log."""
    if run.is_file():
        return run
    split = reference.get("split")
    names = ["report.json", "metrics.jsonl"]
    if isinstance(split, str):
        names.insert(0, f"eval/{split}/report.json")
    elif "scores" not in reference:
        names.reverse()
    for name in names:
        if (run / name).is_file():
            return run / name
    if not run.exists():
        raise UsageError("no such run", where=str(run), hint="ls work_dirs")
    raise InputError(
        f"the folder holds none of {', '.join(names)}", where=str(run),
        hint="slt train writes metrics.jsonl, slt eval RUN writes report.json",
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    return _read_all(path)[-1]


def _read_all(path: Path) -> list[dict[str, Any]]:
    """The epochs of a `.jsonl` log, or the one object of a `.json` file."""
    if not path.is_file():
        raise InputError("no such file", where=str(path), hint=_HINT)
    try:
        records = read_jsonl(path) if path.suffix == ".jsonl" else [json.loads(path.read_bytes())]
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read as JSON ({error})", where=str(path), hint=_HINT
        ) from error
    if not records or not all(isinstance(record, dict) for record in records):
        raise InputError("holds no metrics", where=str(path), hint=_HINT)
    return records


def _epoch(records: list[dict[str, Any]], epoch: Any, path: Path) -> dict[str, Any]:
    if epoch is None or "epoch" not in records[-1]:
        return records[-1]
    for record in records:
        if record.get("epoch") == epoch:
            return record
    raise InputError(
        f"has no epoch {epoch}, which the reference is about; the last is {records[-1]['epoch']}",
        where=str(path), hint="slt train --resume, or a reference without `epoch`",
    )  # fmt: skip


def _numbers(record: Mapping[str, Any], path: Path) -> dict[str, float]:
    """Metrics by name; those of `slt eval` are called `text BLEU-4`, `gloss gloss WER`."""
    scores = record.get("scores")
    values = dict(record)
    if isinstance(scores, dict):
        values = {
            f"{kind} {score.get('name')}": score.get("value")
            for kind, found in scores.items()
            for score in found
        }
    numbers = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    odd = [name for name, value in numbers.items() if not math.isfinite(value)]
    if odd:
        raise InputError(f"not finite: {', '.join(odd)}", where=str(path), hint=_HINT)
    return numbers
