"""Samples per second of real training runs, and the share of the time spent waiting for clips.

python examples/benchmarks/train_speed.py

The corpus is that of the synthetic signer: 543 landmarks and crops of 224 pixels a frame. Every row
is a run of `slt train`; its second epoch counts, as `metrics.jsonl` has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import record

from slt_cli.pipelines.result import silent
from slt_cli.synthetic.dataset import write_demo_videos

FIGURES = ("samples_per_s", "frames_per_s", "seconds_per_iteration", "wait_share",
           "peak_memory_mib")  # fmt: skip
SMALL = ("--preset", "keypoints-small")
ONE_CLIP = ("--batch-size", 1, "--sequence-length", 8)
RUNS = {
    "keypoints-small, no workers": (*SMALL, "--num-workers", 0),
    "keypoints-small, two workers": (*SMALL, "--num-workers", 2),
    "mska-paper-mbart, its encoder, B=1, T=8": (
        "--preset", "mska-paper-mbart", *ONE_CLIP, "--subset-size", 16, "--task", "sign2gloss",
        "--best-metric", "loss", "--decoder-model", "mbart", "--decoder-layers", 1,
    ),
    "multistream-base, B=1, T=8": ("--preset", "multistream-base", *ONE_CLIP, "--subset-size", 8),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=64, help="training clips")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_demo_videos(
            root / "videos", root / "corpus", seed=0, num_train=args.clips, num_val=2, num_test=2,
            workers=2, report=silent,
        )  # fmt: skip
        slt(
            "extract", root / "videos", "-o", root / "corpus", "--estimator", "synthetic",
            "--crop-size", 224,
        )  # fmt: skip
        rows = []
        for number, (name, flags) in enumerate(RUNS.items()):
            figures = last_epoch(root / "corpus", root / f"run-{number}", flags)
            rows.append([name, *(figures[key] for key in FIGURES)])
            print(rows[-1], file=sys.stderr)
    columns = ["run", "samples/s", "frames/s", "s an iteration", "share of waiting", "peak MiB"]
    print(record("Training speed", "python examples/benchmarks/train_speed.py", columns, rows))


def last_epoch(corpus: Path, work_dir: Path, flags: tuple[object, ...]) -> dict[str, Any]:
    """The figures of the second epoch."""
    slt(
        "train", "--data", corpus, "--work-dir", work_dir, "--epochs", 2, "--generate-every", 9,
        "--device", "cpu", *flags,
    )  # fmt: skip
    records = [json.loads(line) for line in (work_dir / "metrics.jsonl").read_text().splitlines()]
    return dict(records[-1])


def slt(*arguments: object) -> None:
    command = [sys.executable, "-m", "slt_cli", *map(str, arguments), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
