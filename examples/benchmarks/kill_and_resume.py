"""Kill a training run with SIGKILL again and again, resume it, and compare the final weights.

python examples/benchmarks/kill_and_resume.py
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

from slt_cli.pipelines.result import silent
from slt_cli.storage.checkpoint import load_checkpoint
from slt_cli.synthetic.dataset import write_demo_videos

EPOCHS, KILLS = 12, 3


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_demo_videos(
            root / "videos", root / "corpus", seed=0, num_train=24, num_val=4, num_test=4,
            workers=2, report=silent,
        )  # fmt: skip
        slt("extract", root / "videos", "-o", root / "corpus", "--estimator", "synthetic").wait()
        slt(*train(root, "whole")).wait()
        killed_at = [kill_once(root, number) for number in range(KILLS)]
        slt("train", "--work-dir", root / "killed", "--resume").wait()
        whole, killed = (weights_sha256(root / name) for name in ("whole", "killed"))
    rows = [["uninterrupted", "-", whole], ["killed and resumed", ", ".join(killed_at), killed]]
    columns = ["run", "last update saved before each SIGKILL", "sha256 of the final weights"]
    print(
        record("kill -9 and resume", "python examples/benchmarks/kill_and_resume.py", columns, rows)
    )
    sys.exit(whole != killed)


def slt(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slt_cli", *map(str, arguments), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def train(root: Path, name: str) -> list[object]:
    flags = ["--epochs", EPOCHS, "--set", "training.save_every_steps=2"]
    return [
        "train",
        "--preset",
        "tiny-cpu",
        "--data",
        root / "corpus",
        "--work-dir",
        root / name,
        *flags,
    ]


def kill_once(root: Path, number: int) -> str:
    """Start or resume the run, kill it once it has saved something new, and say where it stood."""
    last = root / "killed" / "last.pt"
    before = saved_step(last)
    resume = ["train", "--work-dir", root / "killed", "--resume"]
    process = slt(*(resume if number else train(root, "killed")))
    while saved_step(last) == before and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return str(saved_step(last))


def saved_step(path: Path) -> int:
    return int(load_checkpoint(path)["progress"]["step"]) if path.exists() else -1


def weights_sha256(run: Path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load_checkpoint(run / "last.pt")["model"].items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
