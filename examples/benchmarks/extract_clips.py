"""Extract every video of a folder and record hit rates and speed.

python examples/benchmarks/extract_clips.py ../shared/data/clips
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from record import record


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus"
        command = [sys.executable, "-m", "slt_cli", "extract", str(folder), "-o", str(corpus)]
        subprocess.run(
            [*command, "--workers", "1", "--json"], check=True, stdout=subprocess.DEVNULL
        )
        lines = (corpus / "metadata.jsonl").read_text("utf-8").splitlines()
    rows = []
    for clip in sorted(map(json.loads, lines), key=lambda clip: clip["video_id"]):
        hits = clip["coverage"]
        rows.append(
            [clip["video_id"], clip["frames"]["keypoints"], clip["fps"]]
            + [f"{hits[name]:.0%}" for name in ("pose", "face", "left_hand", "right_hand")]
            + [sum(clip["hands"].values()), float(clip["frames_per_s"])]
        )
    columns = ["clip", "frames", "fps", "pose", "face", "left hand", "right hand",
               "hands moved to the nearer wrist", "frames/s, one worker"]  # fmt: skip
    print(
        record(
            "Extraction of real clips",
            "python examples/benchmarks/extract_clips.py ../shared/data/clips", columns, rows,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
