"""Memory of the worker processes while a long video is extracted.

python examples/benchmarks/extract_memory.py ../shared/data/clips
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from long_video import write_long_video
from record import record

_EVERY_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(), help="where to work; on a disk")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--fps", type=int, default=15, help="frames per second of the video")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        video, corpus = Path(temporary) / "long.mp4", Path(temporary) / "corpus"
        write_long_video(args.clips, video, int(args.minutes * 60 * args.fps), args.fps)
        command = [sys.executable, "-m", "slt_cli", "extract", str(video), "-o", str(corpus)]
        started = time.monotonic()
        with subprocess.Popen([*command, "--workers", "2", "--quiet"]) as process:
            samples = []
            while process.poll() is None:
                samples.append((time.monotonic() - started, largest_worker_mib(process.pid)))
                time.sleep(_EVERY_S)
        total_s = time.monotonic() - started
    if process.returncode:
        sys.exit(process.returncode)
    print(table(samples, total_s, args.minutes, args.fps))


def largest_worker_mib(parent: int) -> float:
    """Resident memory of the largest child process, in MiB."""
    sizes = [_resident_mib(child) for child in _children(parent)]
    return max(sizes, default=0.0)


def table(samples: list[tuple[float, float]], total_s: float, minutes: float, fps: int) -> str:
    """Memory at minute 2 of the video and at its end, assuming an even pace; and the peak."""

    def around(minute: float) -> float:
        middle = total_s * minute / minutes
        near = [mib for at, mib in samples if abs(at - middle) < total_s / minutes / 2]
        return sum(near) / len(near)

    early, late = around(2), around(minutes - 0.5)
    rows = [
        [f"{minutes:g}", fps, round(early), round(late), f"{late / early - 1:+.1%}",
         round(max(mib for _, mib in samples)), round(total_s)]
    ]  # fmt: skip
    columns = ["minutes of video", "frames/s of the video", "MiB at minute 2", "MiB at the end",
               "growth", "largest MiB at any time", "wall s"]  # fmt: skip
    return record(
        "Memory of an extraction worker on a long video",
        "python examples/benchmarks/extract_memory.py ../shared/data/clips", columns, rows,
    )  # fmt: skip


def _children(parent: int) -> list[int]:
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _resident_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


if __name__ == "__main__":
    main()
