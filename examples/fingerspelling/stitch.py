"""A corpus of fingerspelled words, stitched from recordings of single letters.

python examples/fingerspelling/stitch.py ../shared/data CORPUS

One person signs the 26 letters of each sign language. Training uses eight of them, validation and
test one other each, so that neither the signer nor the words of a split are in another one; with
--same-signers only the words differ.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import write_gloss_table, write_index, write_meta

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LANGUAGES = {
    "train": ("asq", "bzs", "gsg", "ise", "mfs", "sgg", "ssp", "svk"),
    "val": ("fsl",),
    "test": ("ase",),
}
FPS = 25
SPEED = (0.8, 1.25)
LAYOUT = "mediapipe_holistic_553"
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds fingerspelling_pose/ and text/")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--clips", type=int, nargs=3, default=(1600, 120, 120))
    parser.add_argument("--random", type=float, default=0.5, help="share of random letter strings")
    parser.add_argument("--letters", type=int, nargs=2, default=(3, 8), help="in a random string")
    parser.add_argument("--same-signers", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    letters = read_letters(args.data / "fingerspelling_pose")
    words = read_words(args.data / "text" / "nzsl_usage_gloss_en.tsv", args.seed)
    rng = np.random.default_rng(args.seed)
    corpus = CorpusPaths.from_root(args.corpus)
    texts: dict[str, str] = {}
    for split, count in zip(LANGUAGES, args.clips, strict=True):
        ids = []
        for number, word in enumerate(
            spellings(words[split], count, args.random, args.letters, rng)
        ):
            language = str(rng.choice(LANGUAGES["train" if args.same_signers else split]))
            video_id = f"{split}_{number:05d}_{language}"
            clip = stitch([letters[language][letter] for letter in word], rng)
            save_clip_keypoints(corpus.keypoints_dir / f"{video_id}.npz", clip)
            texts[video_id] = word.lower()
            ids.append(video_id)
        write_index(corpus.index(split), ids)
    write_meta(corpus.metadata_csv, texts)
    write_gloss_table(corpus.gloss_csv, {name: list(text.upper()) for name, text in texts.items()})
    print(f"{args.corpus}: {len(texts)} clips")


def read_letters(folder: Path) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Language -> letter -> (T, V, 4) x, y, z and confidence at the recording's own rate."""
    arrays = np.load(folder / "fingerspelling.npz")
    letters: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    with (folder / "manifest.tsv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            letter = row["word"].upper()
            if letter not in LETTERS or len(letter) != 1:
                continue
            xyz = arrays[f"{row['id']}/xyz"].astype(np.float32)
            confidence = arrays[f"{row['id']}/conf"].astype(np.float32)[..., None] / 255
            clip = resampled(np.concatenate([xyz, confidence], -1), float(row["fps"]) / FPS)
            letters.setdefault(row["signed_language"], {})[letter] = clip
    return letters


def resampled(clip: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.float32]:
    """Every `step`-th frame, the nearest one where that falls between two."""
    count = max(2, round(len(clip) / step))
    return clip[np.rint(np.linspace(0, len(clip) - 1, count)).astype(int)]


def read_words(table: Path, seed: int) -> dict[str, list[str]]:
    """Disjoint words of 3 to 8 letters for each split, from English sentences."""
    found = sorted(set(re.findall(r"\b[a-z]{3,8}\b", table.read_text("utf-8").lower())))
    order = np.random.default_rng(seed).permutation(found).tolist()
    words, start = {}, 0
    for split, share in SHARES.items():
        end = start + int(share * len(order))
        words[split], start = [word.upper() for word in order[start:end]], end
    return words


def spellings(
    words: Sequence[str],
    count: int,
    random_share: float,
    lengths: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[str]:
    """`count` words, some of them random letters, which no language model can guess."""
    shortest, longest = lengths
    for _ in range(count):
        if rng.random() < random_share:
            yield "".join(rng.choice(list(LETTERS), size=rng.integers(shortest, longest + 1)))
        else:
            yield str(rng.choice(words))


def stitch(letters: Sequence[npt.NDArray[np.float32]], rng: np.random.Generator) -> ClipKeypoints:
    """One clip of the letters in order, each at a speed of its own."""
    points = np.concatenate([resampled(clip, rng.uniform(*SPEED)) for clip in letters])
    frames = len(points)
    valid = points[..., 3] > 0
    keypoints = np.where(valid[..., None], points[..., [0, 1, 3]], 0).astype(np.float32)
    return ClipKeypoints(
        keypoints=keypoints, z=np.where(valid, points[..., 2], 0).astype(np.float32), valid=valid,
        time_s=np.arange(frames) / FPS, crop_box=np.zeros((3, frames, 4), np.int32),
        crop_source=np.zeros((3, frames), np.uint8), layout=LAYOUT, frame_size=(500, 500),
        fps=Fraction(FPS), estimator={"name": "mediapipe", "version": "", "settings": {}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
