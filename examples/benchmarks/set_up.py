"""Run both README commands in a fresh clone with an empty home and record time and disk.

python examples/benchmarks/set_up.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo import record_scores
from record import record

COMMAND = "python examples/benchmarks/set_up.py"
ROOT = Path(__file__).resolve().parents[2]


def main(wanted: str) -> None:
    commands = re.findall(r"^python3 -m venv \.venv && .*$", (ROOT / "README.md").read_text(), re.M)
    sys.exit(max(measure(command) for command in commands if wanted in command))


def measure(command: str) -> int:
    """Run one command in a fresh clone, record time and disk, and return its exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        home, clone = Path(temporary) / "home", Path(temporary) / "slt"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        data = os.environ.get("SLT_TEST_DATA", str(ROOT.parent / "shared" / "data"))
        environ |= {"HOME": str(home), "SLT_TEST_DATA": data}
        started = time.monotonic()
        done = subprocess.run(["bash", "-c", command], cwd=clone, env=environ, check=False)
        seconds = round(time.monotonic() - started)
        report = clone / "slt-demo" / "run" / "eval" / "test" / "report.json"
        if report.exists():
            record_scores(json.loads(report.read_text("utf-8"))["scores"], COMMAND)
        row = [done.returncode, seconds, _mib(clone / ".venv"), _mib(clone)]
    columns = ["exit code", "seconds, installation included", "environment, MiB", "clone, MiB"]
    last = command.split(" && ")[-1].removeprefix(".venv/bin/")
    print(record(f"README command: {last}, on a fresh machine", COMMAND, columns, [row]))
    return done.returncode


def _mib(folder: Path) -> int:
    return (
        sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) >> 20
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
