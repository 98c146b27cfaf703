"""What missing keypoints cost a recogniser of fingerspelled words, with and without masks.

python examples/benchmarks/robustness.py ../shared/data --folder /tmp/robustness

Trains `keypoints-small` twice on the same stitched words (examples/fingerspelling/stitch.py, eight
signers, unseen words for the test), in the default mode and in the published one, alike in all
else: both see points and stretches of frames get lost in training. Then reads the test words as
they are, with one random point lost in every frame, and with ten frames in which nothing is seen.
CER counts letters of the gloss heads, together, best path.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from record import record

from slt_cli.corpus.clip_files import ClipKeypoints, load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_index
from slt_cli.data.loader import evaluation_batches
from slt_cli.evaluation.decoding import translate_batches
from slt_cli.evaluation.metrics import word_error_rate
from slt_cli.landmarks.layouts import get_layout
from slt_cli.pipelines.restore import RestoredRun, restore_run
from slt_cli.settings.data import DataSettings

STITCH = Path(__file__).parents[1] / "fingerspelling" / "stitch.py"
MODES = {
    "masked": ["--mska-mode", "masked"],
    "reference": ["--mska-mode", "reference", "--keypoint-interpolate-gap", "0"],
}
ALIKE = [
    "--lr", "0.002", "--warmup-steps", "150", "--keypoint-frame-dropout", "20",
    "--keypoint-point-dropout", "0.02",
]  # fmt: skip
GAP = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--clips", type=int, nargs=3, default=(1200, 60, 300))
    args = parser.parse_args()
    clean = args.folder / "clean"
    if not clean.exists():
        counts = [str(count) for count in args.clips]
        run(
            str(STITCH), str(args.data), str(clean), "--same-signers", "--clips", *counts,
            "--letters", "1", "4",  # short strings tell CTC early what a letter is
        )  # fmt: skip
    corpora = {
        "clean": clean,
        "one point lost in every frame": changed(clean, args.folder / "joint", lose_a_joint),
        f"{GAP} frames lost": changed(clean, args.folder / "gap", lose_frames),
    }
    rows = []
    for mode, flags in MODES.items():
        work_dir = args.folder / mode
        if not (work_dir / "best.pt").exists():
            run(
                "-m", "slt_cli", "train", "--preset", "keypoints-small", "--data", str(clean),
                "--work-dir", str(work_dir), "--epochs", str(args.epochs), "--seed", "0",
                *ALIKE, *flags,
            )  # fmt: skip
        restored = restore_run(work_dir, "cpu")
        rates = [letter_error_rate(restored, corpus) for corpus in corpora.values()]
        rows.append(
            [mode, *(round(r, 2) for r in rates), *(round(r - rates[0], 2) for r in rates[1:])]
        )
        print(rows[-1], file=sys.stderr)
    lost = list(corpora)[1:]
    print(
        record(
            "Missing keypoints: CER of fingerspelled words in per cent",
            "python examples/benchmarks/robustness.py ../shared/data --folder FOLDER",
            ["mska_mode", *corpora, *(f"cost: {name}" for name in lost)],
            rows,
        )
    )


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True)


def letter_error_rate(restored: RestoredRun, corpus: Path) -> float:
    """CER of the test split in per cent."""
    dataset = restored.dataset("test", DataSettings(corpus=corpus))
    found = translate_batches(
        restored.model,
        evaluation_batches(dataset, 16),
        restored.tokenizer,
        restored.glosses,
        device=restored.device,
        beams=1,
        length_penalty=1.0,
        max_length=1,
        report=lambda *_, **__: None,
    )
    return word_error_rate(
        "CER", [h.gloss_prediction for h in found], [h.gloss_reference for h in found]
    ).value


Change = Callable[[ClipKeypoints, np.random.Generator], np.ndarray]


def changed(clean: Path, corpus: Path, lost: Change) -> Path:
    """A copy of the test split in which the points that `lost` marks (T, V) are missing."""
    source, target = CorpusPaths.from_root(clean), CorpusPaths.from_root(corpus)
    rng = np.random.default_rng(0)
    for video_id in read_index(source.index("test")):
        clip = load_clip_keypoints(source.keypoints(video_id))
        gone = lost(clip, rng)
        keypoints = np.where(gone[..., None], np.float32(0), clip.keypoints)
        found = replace(clip, keypoints=keypoints, valid=clip.valid & ~gone)
        save_clip_keypoints(target.keypoints_dir / f"{video_id}.npz", found)
    for table in ("metadata_csv", "gloss_csv", "test_index"):
        path = getattr(target, table)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(getattr(source, table).read_bytes())
    return corpus


def lose_a_joint(clip: ClipKeypoints, rng: np.random.Generator) -> np.ndarray:
    """One of the points that the model reads, another one in every frame."""
    points = np.array(get_layout(clip.layout).streams["body"])
    gone = np.zeros_like(clip.valid)
    gone[np.arange(len(clip)), rng.choice(points, size=len(clip))] = True
    return gone


def lose_frames(clip: ClipKeypoints, rng: np.random.Generator) -> np.ndarray:
    """All points of `GAP` frames in a row, somewhere inside the clip."""
    gone = np.zeros_like(clip.valid)
    start = int(rng.integers(1, max(2, len(clip) - GAP - 1)))
    gone[start : start + GAP] = True
    return gone


if __name__ == "__main__":
    main()
