"""A run on disk: `config.json`, `metrics.jsonl`, checkpoints, samples, `artifacts.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slt_cli.errors import InputError, UsageError
from slt_cli.storage.atomic import append_jsonl, read_jsonl, write_json, write_text
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from slt_cli.storage.hashes import sha256_file

RUNS = Path("work_dirs")


class RunFolder:
    """Paths and records of one run. Statuses: running, completed, interrupted, diverged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.config_path = path / "config.json"
        self.metrics_path = path / "metrics.jsonl"
        self.artifacts_path = path / "artifacts.json"

    def refuse_if_used(self) -> None:
        """Raise `UsageError` when the folder already holds a run."""
        if self.last.exists():
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
        kept = [r for r in self.metrics() if r.get("epoch", -1) < record["epoch"]]
        if len(kept) != len(self.metrics()):
            write_text(
                self.metrics_path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept)
            )
        append_jsonl(self.metrics_path, record)

    def metrics(self) -> list[dict[str, Any]]:
        """The epochs logged so far."""
        return read_jsonl(self.metrics_path)

    def write_samples(self, epoch: int, rows: list[dict[str, str]]) -> None:
        """Keep a few translations of the validation split as `samples/epoch-NNN.json`."""
        write_json(self.path / "samples" / f"epoch-{epoch:03d}.json", rows)

    def save(self, payload: dict[str, Any], *, best: bool) -> None:
        """Write `last.pt`, and `best.pt` when this is the best so far."""
        if best:
            save_checkpoint(self.best, payload)
        save_checkpoint(self.last, payload)

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
