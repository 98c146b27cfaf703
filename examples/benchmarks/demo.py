"""Run `slt demo` and record its scores and the time of each step.

python examples/benchmarks/demo.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from record import record

COMMAND = "python examples/benchmarks/demo.py"


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "slt_cli", "demo", "-o", f"{temporary}/demo", "--json"],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        total = time.monotonic() - started
    facts = json.loads(done.stdout)["facts"]
    print(
        record_scores(facts["scores"], COMMAND),
        record(
            "Demo: seconds per step", COMMAND, ["step", "seconds"],
            [*facts["seconds"].items(), ["whole command", round(total, 1)]],
        ),
    )  # fmt: skip


def record_scores(scores: dict[str, list[dict[str, Any]]], command: str) -> str:
    control = {score["name"]: score["value"] for score in scores["control"]}
    return record(
        "Demo: scores on 60 new sentences by an unseen synthetic signer", command,
        ["score", "test", "control: another sentence's video", "signature"],
        [
            [s["name"], s["value"], control.get(s["name"], "-"), f"`{s['signature']}`"]
            for s in [*scores["text"], *scores.get("gloss", [])]
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
