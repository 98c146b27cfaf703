"""A run on disk: `config.json`, `metrics.jsonl`, checkpoints, samples, report, `artifacts.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError, UsageError
from slt_cli.evaluation.training_report import training_page
from slt_cli.evaluation.training_report_card import card_text
from slt_cli.storage.atomic import append_jsonl, read_jsonl, write_bytes, write_json, write_text
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from slt_cli.storage.hashes import sha256_file

RUNS = Path("work_dirs")
_SAMPLES_SHOWN = 5  # epochs whose translations are in the report


@dataclass(frozen=True)
class Restored:
    """The checkpoint that a run goes on from; `refused` says of newer ones why not from them."""

    path: Path
    payload: dict[str, Any]
    refused: tuple[str, ...] = ()


class RunFolder:
    """Paths and records of one run. Statuses: running, completed, interrupted, diverged, failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.config_path = path / "config.json"
        self.metrics_path = path / "metrics.jsonl"
        self.artifacts_path = path / "artifacts.json"
        self.log_path = path / "logs" / "train.log"
        self.report_path = path / "report.html"

    def refuse_if_used(self) -> None:
        """Raise `UsageError` when the folder already holds a run."""
        if self.checkpoints():
            raise UsageError(
                "the work folder already holds a run",
                where=str(self.path),
                hint="add --resume to continue it, or choose another --work-dir",
            )

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the effective settings and the overrides."""
        write_json(self.config_path, config)

    def log_epoch(self, record: dict[str, Any]) -> None:
        """Append one epoch to `metrics.jsonl`; an epoch repeated after a crash replaces the old."""
        metrics = self.metrics()
        kept = [r for r in metrics if r.get("epoch", -1) < record["epoch"]]
        if len(kept) != len(metrics):
            lines = (json.dumps(r, ensure_ascii=False) + "\n" for r in kept)
            write_text(self.metrics_path, "".join(lines))
        append_jsonl(self.metrics_path, record)

    def metrics(self) -> list[dict[str, Any]]:
        """The epochs logged so far."""
        return read_jsonl(self.metrics_path)

    def write_samples(self, epoch: int, rows: list[dict[str, str]]) -> None:
        """Keep a few translations of the validation split as `samples/epoch-NNN.json`."""
        write_json(self.path / "samples" / f"epoch-{epoch:03d}.json", rows)

    def samples(self, epoch: int) -> dict[int, list[dict[str, str]]]:
        """By epoch, in ascending order: the newest samples that are not newer than `epoch`."""
        files = sorted((self.path / "samples").glob("epoch-*.json"), key=_number)
        shown = [path for path in files if _number(path) <= epoch][-_SAMPLES_SHOWN:]
        return {_number(path): json.loads(path.read_text("utf-8")) for path in shown}

    def write_report(self, *, plots: bool = True) -> None:
        """Write `report.html` and `card.md` of the epochs logged so far, and `plots/*.png`."""
        config, metrics = self._config(), self.metrics()
        name, epoch = self.path.resolve().name, metrics[-1]["epoch"] if metrics else 0
        write_text(self.report_path, training_page(name, config, metrics, self.samples(epoch)))
        write_text(self.path / "card.md", card_text(name, config, metrics))
        if plots:
            from slt_cli.evaluation.training_report_plots import plot_files

            for file_name, image in plot_files(metrics).items():
                write_bytes(self.path / "plots" / file_name, image)

    def _config(self) -> dict[str, Any]:
        if not self.config_path.is_file():
            return {}
        return dict(json.loads(self.config_path.read_text("utf-8")))

    def save(self, payload: dict[str, Any], *, best: bool, step: int | None = None) -> None:
        """Write `last.pt`, `best.pt` when this is the best so far, `step-N.pt` when N is given.

        `last.pt` comes last: when it is there, so are the others of the same moment.
        """
        if best:
            save_checkpoint(self.best, payload)
        if step is not None:
            save_checkpoint(self.path / f"step-{step}.pt", payload)
        save_checkpoint(self.last, payload)

    def checkpoints(self) -> list[Path]:
        """Those that are there: `last.pt`, `best.pt`, then every `step-N.pt`, the newest first."""
        steps = sorted(self.path.glob("step-*.pt"), key=_number, reverse=True)
        return [path for path in (self.last, self.best, *steps) if path.is_file()]

    def newest(self) -> Restored:
        """The newest checkpoint that can be read: `last.pt`, else the furthest of the others.

        Raises `UsageError` when the folder holds none, `InputError` that lists what was tried when
        none can be read.
        """
        there = self.checkpoints()
        if not there:
            raise UsageError(
                "nothing to resume: there is no checkpoint", where=str(self.path),
                hint="name the run with --work-dir, or leave --resume out",
            )  # fmt: skip
        refused: list[str] = [] if self.last in there else [f"{self.last.name}: not there"]
        last = _first_readable([p for p in there if p == self.last], refused)
        if last is not None:
            return last
        best = _first_readable([p for p in there if p == self.best], refused)
        steps = _first_readable([p for p in there if p not in (self.last, self.best)], refused)
        found = [restored for restored in (best, steps) if restored is not None]
        if not found:
            raise InputError(
                "no checkpoint of the run can be read:" + "".join(f"\n  {r}" for r in refused),
                where=str(self.path), hint="start a new run in another --work-dir",
            )  # fmt: skip
        newest = max(found, key=lambda restored: restored.payload["progress"]["step"])
        return Restored(newest.path, newest.payload, tuple(refused))

    def finish(self, status: str) -> None:
        """Record the status and the sha256 of every file of the run."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file())
        write_json(
            self.artifacts_path,
            {
                "status": status,
                "files": {
                    str(p.relative_to(self.path)): {
                        "sha256": sha256_file(p),
                        "bytes": p.stat().st_size,
                    }
                    for p in files
                    if p != self.artifacts_path and not p.name.startswith(".")
                },
            },
        )

    @property
    def status(self) -> str:
        """Status of the last end of the run; `running` when it never ended (or was killed)."""
        try:
            return str(json.loads(self.artifacts_path.read_text("utf-8"))["status"])
        except (OSError, ValueError, KeyError):
            return "running"


def _first_readable(paths: Iterable[Path], refused: list[str]) -> Restored | None:
    """The first checkpoint that loads; what is wrong with those before it is added to `refused`."""
    for path in paths:
        try:
            payload = load_checkpoint(path)
        except InputError as error:
            refused.append(f"{path.name}: {error.message}")
            continue
        if isinstance(payload.get("progress"), dict):
            return Restored(path, payload)
        refused.append(f"{path.name}: holds no training state")
    return None


def _number(path: Path) -> int:
    """The number that ends the name of `step-12.pt` or `epoch-003.json`; -1 for other names."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def find_checkpoint(run: Path | None, root: Path = RUNS) -> Path:
    """The checkpoint meant by RUN: a file, `best.pt` of a folder, or of the newest finished run.

    Raises `UsageError` when RUN is not given and there is no finished run, `InputError` when the
    folder holds no checkpoint.
    """
    if run is None:
        finished = [
            p.parent
            for p in root.glob("*/artifacts.json")
            if RunFolder(p.parent).status == "completed"
        ]
        if not finished:
            raise UsageError(
                "no run given, and there is no finished run", where=f"{root}/",
                hint="slt train --preset keypoints-small --data corpus",
            )  # fmt: skip
        run = max(finished, key=lambda p: (p / "artifacts.json").stat().st_mtime_ns)
    if run.is_file():
        return run
    for name in ("best.pt", "last.pt"):
        if (run / name).is_file():
            return run / name
    if not run.exists():
        raise UsageError("no such run or checkpoint", where=str(run), hint=f"ls {root}")
    raise InputError(
        "the folder holds no best.pt or last.pt", where=str(run), hint="slt train --help"
    )


def read_run(run: Path | None) -> tuple[Path, dict[str, Any]]:
    """Find and load the checkpoint meant by RUN. Raises like `find_checkpoint`."""
    path = find_checkpoint(run)
    payload = load_checkpoint(path)
    if payload.get("kind") != "translator":
        raise InputError(
            "not a checkpoint of a translation run", where=str(path),
            hint="give the folder that slt train wrote",
        )  # fmt: skip
    return path, payload
