"""Time `slt --help` and record it.

python examples/benchmarks/start_up.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import record

RUNS = 10


def main() -> None:
    rows = []
    for arguments in (["--help"], ["train", "--help"], ["extract", "--help"]):
        seconds = []
        for _ in range(RUNS + 1):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "slt_cli", *arguments], check=True, stdout=subprocess.DEVNULL
            )
            seconds.append(time.perf_counter() - started)
        rows.append(
            [f"`slt {' '.join(arguments)}`", statistics.median(seconds[1:]), min(seconds[1:])]
        )
    print(
        record(
            "Start-up",
            "python examples/benchmarks/start_up.py",
            ["command", "median s", "best s"],
            rows,
        )
    )


if __name__ == "__main__":
    main()
