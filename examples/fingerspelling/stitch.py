"""A corpus of fingerspelled words, stitched from recordings of single letters.

python examples/fingerspelling/stitch.py ../shared/data CORPUS

One person signs the 26 letters of each sign language. Training uses eight of them, validation and
test one other each, so that neither the signer nor the words of a split are in another one; with
--same-signers only the words differ. Besides the corpus, CORPUS/letters.json tells which frames
each letter takes.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import write_gloss_table, write_index, write_meta
from slt_cli.landmarks.layouts import get_layout
from slt_cli.storage.atomic import write_json

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
PHRASE = (4, 5)  # words
SHORT = 4  # letters of the longest word of a phrase
PAUSE_S = 0.4  # hands at rest between two words

Letters = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Stitched:
    """`frames[i]`: the first frame of letter i, and the one after its last."""

    clip: ClipKeypoints
    frames: list[tuple[int, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds fingerspelling_pose/ and text/")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--clips", type=int, nargs=3, default=(1600, 120, 120))
    parser.add_argument("--random", type=float, default=0.5, help="share of random letter strings")
    parser.add_argument("--letters", type=int, nargs=2, default=(3, 8), help="in a random string")
    parser.add_argument(
        "--phrases", type=float, default=0.0, help="share of phrases of short words"
    )
    parser.add_argument("--fps", type=int, default=FPS)
    parser.add_argument("--right-handed", action="store_true", help="mirror who spells with left")
    parser.add_argument(
        "--without-face", action="store_true", help="as if no face were seen: it tells who signs"
    )
    signers = parser.add_mutually_exclusive_group()
    signers.add_argument("--same-signers", action="store_true")
    signers.add_argument(
        "--held-out", metavar="LANGUAGE", help="test this one, validate the next, train the others"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    languages = without(args.held_out) if args.held_out else LANGUAGES
    letters = read_letters(args.data / "fingerspelling_pose", args.fps)
    if args.right_handed:
        letters = {
            language: {letter: right_handed(clip) for letter, clip in own.items()}
            for language, own in letters.items()
        }
    words = read_words(args.data / "text" / "nzsl_usage_gloss_en.tsv", args.seed)
    rng = np.random.default_rng(args.seed)
    corpus = CorpusPaths.from_root(args.corpus)
    texts: dict[str, str] = {}
    places: dict[str, list[tuple[str, int, int]]] = {}
    for split, count in zip(languages, args.clips, strict=True):
        ids = []
        phrases = spellings(words[split], count, args.random, args.phrases, args.letters, rng)
        for number, phrase in enumerate(phrases):
            language = str(rng.choice(languages["train" if args.same_signers else split]))
            video_id = f"{split}_{number:05d}_{language}"
            stitched = stitch(phrase, letters[language], args.fps, rng)
            clip = faceless(stitched.clip) if args.without_face else stitched.clip
            save_clip_keypoints(corpus.keypoints_dir / f"{video_id}.npz", clip)
            texts[video_id] = " ".join(phrase).lower()
            spelled = zip("".join(phrase), stitched.frames, strict=True)
            places[video_id] = [(letter, *frames) for letter, frames in spelled]
            ids.append(video_id)
        write_index(corpus.index(split), ids)
    write_meta(corpus.metadata_csv, texts)
    glosses = {name: list(text.upper().replace(" ", "")) for name, text in texts.items()}
    write_gloss_table(corpus.gloss_csv, glosses)
    write_json(args.corpus / "letters.json", places)
    print(f"{args.corpus}: {len(texts)} clips")


def without(language: str) -> dict[str, tuple[str, ...]]:
    """The ten languages with `language` for the test and the one after it for validation."""
    every = sorted(name for names in LANGUAGES.values() for name in names)
    dev = every[(every.index(language) + 1) % len(every)]
    train = tuple(name for name in every if name not in (language, dev))
    return {"train": train, "val": (dev,), "test": (language,)}


def read_letters(folder: Path, fps: int = FPS) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Language -> letter -> (T, V, 4) x, y, z and confidence at `fps` frames per second."""
    arrays = np.load(folder / "fingerspelling.npz")
    letters: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    with (folder / "manifest.tsv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            letter = row["word"].upper()
            if letter not in LETTERS or len(letter) != 1:
                continue
            xyz = arrays[f"{row['id']}/xyz"].astype(np.float32)
            confidence = arrays[f"{row['id']}/conf"].astype(np.float32)[..., None] / 255
            clip = resampled(np.concatenate([xyz, confidence], -1), float(row["fps"]) / fps)
            letters.setdefault(row["signed_language"], {})[letter] = clip
    return letters


def right_handed(clip: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The recording (T, V, 4), mirrored if the left hand is seen more often than the right one."""
    layout = get_layout(LAYOUT)
    left, right = (list(layout.component(f"{side}_HAND")) for side in ("LEFT", "RIGHT"))
    if (clip[:, left, 3] > 0).sum() <= (clip[:, right, 3] > 0).sum():
        return clip
    mirrored = clip[:, list(layout.flip)]
    mirrored[..., 0] = 1 - mirrored[..., 0]
    return mirrored


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
    phrase_share: float,
    lengths: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[list[str]]:
    """`count` words, some of them random letters, which no language model can guess, and phrases.

    A phrase is four or five short words in any order.
    """
    short = [word for word in words if len(word) <= SHORT]
    for _ in range(count):
        if phrase_share and rng.random() < phrase_share:
            yield rng.choice(short, size=rng.integers(*PHRASE, endpoint=True)).tolist()
        elif rng.random() < random_share:
            size = rng.integers(*lengths, endpoint=True)
            yield ["".join(rng.choice(list(LETTERS), size=size))]
        else:
            yield [str(rng.choice(words))]


def stitch(phrase: Sequence[str], letters: Letters, fps: int, rng: np.random.Generator) -> Stitched:
    """The letters in order, each at a speed of its own, and a pause after every word but the last.

    In a pause the hands stay where the last letter left them.
    """
    pieces: list[npt.NDArray[np.float32]] = []
    frames: list[tuple[int, int]] = []
    length = 0
    for number, word in enumerate(phrase):
        if number:
            pieces.append(np.repeat(pieces[-1][-1:], round(PAUSE_S * fps), axis=0))
            length += len(pieces[-1])
        for letter in word:
            pieces.append(resampled(letters[letter], rng.uniform(*SPEED)))
            frames.append((length, length + len(pieces[-1])))
            length = frames[-1][1]
    return Stitched(clip_of(np.concatenate(pieces), fps), frames)


def clip_of(points: npt.NDArray[np.float32], fps: int) -> ClipKeypoints:
    """The clip of points (T, V, 4): x, y, z and confidence."""
    frames = len(points)
    valid = points[..., 3] > 0
    keypoints = np.where(valid[..., None], points[..., [0, 1, 3]], 0).astype(np.float32)
    return ClipKeypoints(
        keypoints=keypoints, z=np.where(valid, points[..., 2], 0).astype(np.float32), valid=valid,
        time_s=np.arange(frames) / fps, crop_box=np.zeros((3, frames, 4), np.int32),
        crop_source=np.zeros((3, frames), np.uint8), layout=LAYOUT, frame_size=(500, 500),
        fps=Fraction(fps), estimator={"name": "mediapipe", "version": "", "settings": {}},
    )  # fmt: skip


def faceless(clip: ClipKeypoints) -> ClipKeypoints:
    """The clip as a detector without a face model would have seen it."""
    valid = clip.valid.copy()
    valid[:, list(get_layout(clip.layout).component("FACE"))] = False
    keypoints = np.where(valid[..., None], clip.keypoints, np.float32(0))
    return replace(clip, keypoints=keypoints, z=np.where(valid, clip.z, np.float32(0)), valid=valid)


if __name__ == "__main__":
    main()
