"""Run `slt demo` and record its scores and the time of each step.

python examples/benchmarks/demo.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time

from record import record


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "slt_cli", "demo", "-o", f"{temporary}/demo", "--json"],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        total = time.monotonic() - started
    facts = json.loads(done.stdout)["facts"]
    control = {score["name"]: score["value"] for score in facts["scores"]["control"]}
    scores = [*facts["scores"]["text"], *facts["scores"].get("gloss", [])]
    command = "python examples/benchmarks/demo.py"
    print(
        record(
            "Demo: scores on 60 new sentences by an unseen synthetic signer", command,
            ["score", "test", "control: another sentence's video", "signature"],
            [
                [s["name"], s["value"], control.get(s["name"], "-"), f"`{s['signature']}`"]
                for s in scores
            ],
        ),
        record(
            "Demo: seconds per step", command, ["step", "seconds"],
            [*facts["seconds"].items(), ["whole command", round(total, 1)]],
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
