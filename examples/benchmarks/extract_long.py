"""Extract one long video, side by side with pose-format and with a bare Holistic loop.

python examples/benchmarks/extract_long.py ../shared/data/clips

Five rounds; in each of them one after the other `slt extract --workers 2` (three crop streams, pose
and keypoints), pose-format's `video_to_pose --workers 2` (landmarks only), and a loop that decodes
the video and calls Holistic and does nothing else. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from long_video import write_long_video
from record import record

BARE = """
import sys, av, mediapipe
holistic = mediapipe.solutions.holistic.Holistic(model_complexity=1)
with av.open(sys.argv[1]) as container:
    container.streams.video[0].codec_context.thread_count = 1
    for frame in container.decode(video=0):
        holistic.process(frame.to_ndarray(format="rgb24"))
"""


@dataclass
class Cost:
    """Seconds on the clock and of the processors, children included."""

    wall_s: float
    cpu_s: float


def measure(command: list[str]) -> Cost:
    """Run a command to its end. Raises `CalledProcessError` when it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    wall_s = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(), help="where to work; on a disk")
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        video = Path(temporary) / "long.mp4"
        write_long_video(args.clips, video, args.frames)
        for number in range(args.rounds):
            for name, command in commands(video, Path(temporary) / str(number)).items():
                costs.setdefault(name, []).append(measure(command))
                print(number, name, costs[name][-1], file=sys.stderr, flush=True)
    print(table(costs, args.frames, args.rounds))


def commands(video: Path, folder: Path) -> dict[str, list[str]]:
    """What is compared, each run of a round writing into a folder of its own."""
    folder.mkdir()
    slt = [sys.executable, "-m", "slt_cli", "extract", str(video), "--quiet", "-o"]
    peer = os.path.join(os.path.dirname(sys.executable), "video_to_pose")
    return {
        "slt extract --workers 2": [*slt, str(folder / "two"), "--workers", "2"],
        "pose-format video_to_pose --workers 2": [
            peer, "-i", str(video), "-o", str(folder / "peer.pose"), "--workers", "2",
        ],
        "bare Holistic loop": [sys.executable, "-c", BARE, str(video)],
    }  # fmt: skip


def table(costs: dict[str, list[Cost]], frames: int, rounds: int) -> str:
    """Medians over the rounds, and each against what it is compared with."""
    wall = {name: statistics.median(c.wall_s for c in runs) for name, runs in costs.items()}
    cpu = {name: statistics.median(c.cpu_s for c in runs) / frames for name, runs in costs.items()}
    peer, bare = "pose-format video_to_pose --workers 2", "bare Holistic loop"
    rows = [
        [name, round(wall[name], 1), round(1000 * cpu[name], 1),
         round(wall[name] / wall[peer], 3), round(cpu[name] / cpu[bare], 3),
         f"{min(c.wall_s for c in runs):.1f}-{max(c.wall_s for c in runs):.1f}"]
        for name, runs in costs.items()
    ]  # fmt: skip
    columns = ["command", "wall s, median", "CPU ms per frame, median",
               "wall over pose-format's", "CPU over the bare loop's", "wall s, range"]  # fmt: skip
    title = f"Extracting one video of {frames} frames, {rounds} interleaved rounds"
    return record(
        title, "python examples/benchmarks/extract_long.py ../shared/data/clips", columns, rows
    )


if __name__ == "__main__":
    main()
