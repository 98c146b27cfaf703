"""A corpus of the RWTH-BOSTON-104 tracks: 201 sentences, two hands and the nose.

python examples/boston104/corpus.py ../shared/data CORPUS

The split is the official one; validation is a part of training. Further training sentences are
made of the recorded ones: two that share a word, by the same signer, change over in its middle.
Where words begin and end is read of training sentences only.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import write_gloss_table, write_index, write_meta

LAYOUT = "hands_and_nose_3"
ORDER = [2, 0, 1]  # of the stored left hand, right hand, nose: as the layout has them
FRAME_SIZE = (312, 242)
FPS = 30
DEV = 27  # sentences, a sixth of training
CROSSOVERS, RATE = 480, 2
FADE = 10  # recorded frames after which a changed-over sentence is where it was recorded

Track = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sentence:
    """`track` (T, 3, 2) in pixels; `spans` (first, last frame) of the glosses, () if not known."""

    name: str
    speaker: str
    glosses: tuple[str, ...]
    track: Track
    spans: tuple[tuple[int, int], ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds boston104/")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the dev part and of the mixture")
    parser.add_argument("--with-dev", action="store_true", help="train on the dev part as well")
    parser.add_argument(
        "--crossovers", type=int, default=CROSSOVERS, help="further training sentences"
    )
    parser.add_argument("--rate", type=int, default=RATE, help="frames for each recorded one")
    args = parser.parse_args()
    write_corpus(
        args.data, args.corpus, args.seed,
        with_dev=args.with_dev, count=args.crossovers, rate=args.rate,
    )  # fmt: skip


def write_corpus(
    data: Path,
    corpus: Path,
    seed: int,
    *,
    with_dev: bool,
    count: int = CROSSOVERS,
    rate: int = RATE,
) -> None:
    """Write the corpus with `count` crossovers at `rate` times the recorded frame rate."""
    rng = np.random.default_rng(seed)
    recorded = read_sentences(data / "boston104")
    train, dev = without_dev(recorded["train"], rng)
    if with_dev:
        train = recorded["train"]
    splits = {"train": [*train, *crossovers(train, count, rng)], "val": dev}
    splits["test"] = recorded["test"]
    paths = CorpusPaths.from_root(corpus)
    glosses = {}
    for split, sentences in splits.items():
        for sentence in sentences:
            clip = clip_of(sentence.track, rate)
            save_clip_keypoints(paths.keypoints_dir / f"{sentence.name}.npz", clip)
            glosses[sentence.name] = sentence.glosses
        write_index(paths.index(split), [sentence.name for sentence in sentences])
    write_meta(paths.metadata_csv, {name: " ".join(g).lower() for name, g in glosses.items()})
    write_gloss_table(paths.gloss_csv, glosses)
    print(f"{corpus}: " + ", ".join(f"{len(found)} {name}" for name, found in splits.items()))


def read_sentences(folder: Path) -> dict[str, list[Sentence]]:
    """Sentences of the official `train` and `test` split."""
    tracks = np.load(folder / "tracks.npz")
    splits: dict[str, list[Sentence]] = {"train": [], "test": []}
    with (folder / "manifest.tsv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            spans = row["word_spans"].split() if row["split"] == "train" else []
            sentence = Sentence(
                f"{int(row['video']):03d}_{row['speaker']}", row["speaker"],
                tuple(row["gloss"].split()),
                tracks[row["video"]].astype(float).reshape(-1, 3, 2)[:, ORDER],
                tuple((int(a), int(b)) for a, b in (span.split("-") for span in spans)),
            )  # fmt: skip
            splits[row["split"]].append(sentence)
    return splits


def without_dev(
    train: Sequence[Sentence], rng: np.random.Generator
) -> tuple[list[Sentence], list[Sentence]]:
    """Training sentences and those kept back from it, which the test never sees."""
    kept_back = set(rng.permutation(len(train))[:DEV].tolist())
    parts: tuple[list[Sentence], list[Sentence]] = ([], [])
    for number, sentence in enumerate(train):
        parts[number in kept_back].append(sentence)
    return parts


def crossovers(
    sentences: Sequence[Sentence], count: int, rng: np.random.Generator
) -> Iterator[Sentence]:
    """At most `count` sentences that nobody signed, all of them different.

    Each one begins as one sentence and goes on as another from the middle of a word of both.
    """
    places: dict[tuple[str, str], list[tuple[Sentence, int]]] = defaultdict(list)
    for sentence in sentences:
        for position, gloss in enumerate(sentence.glosses):
            places[sentence.speaker, gloss].append((sentence, position))
    pairs = [
        (one, other)
        for same in places.values()
        for one in same
        for other in same
        if one[0] is not other[0]
    ]
    known = {sentence.glosses for sentence in sentences}
    made = 0
    for pair in rng.permutation(len(pairs)):
        if made == count:
            return
        (first, i), (second, j) = pairs[pair]
        glosses = (*first.glosses[: i + 1], *second.glosses[j + 1 :])
        if len(glosses) > 1 and glosses not in known:
            known.add(glosses)
            name = f"cross_{made:04d}_{first.speaker}"
            yield Sentence(name, first.speaker, glosses, changed_over(first, i, second, j))
            made += 1


def changed_over(first: Sentence, i: int, second: Sentence, j: int) -> Track:
    """`first` up to the middle of its word i, then `second` from the middle of its word j.

    The step between them fades away over the following frames.
    """
    here, there = (sum(s.spans[at]) // 2 for s, at in ((first, i), (second, j)))
    tail = second.track[there:]
    step = first.track[here] - second.track[there]
    left = np.clip(1 - np.arange(len(tail)) / FADE, 0, 1)[:, None, None]
    return np.concatenate([first.track[:here], tail + left * step])


def clip_of(track: Track, rate: int) -> ClipKeypoints:
    """The clip of a track, with `rate` - 1 frames on the straight line between any two."""
    recorded = np.arange(len(track))
    times = np.linspace(0, len(track) - 1, (len(track) - 1) * rate + 1)
    columns = track.reshape(len(track), -1).T
    dense = np.stack([np.interp(times, recorded, column) for column in columns], axis=-1)
    frames = len(times)
    keypoints = np.ones((frames, 3, 3), np.float32)
    keypoints[..., :2] = dense.reshape(-1, 3, 2) / FRAME_SIZE
    return ClipKeypoints(
        keypoints=keypoints, z=np.zeros((frames, 3), np.float32),
        valid=np.ones((frames, 3), np.bool_), time_s=times / FPS,
        crop_box=np.zeros((3, frames, 4), np.int32), crop_source=np.zeros((3, frames), np.uint8),
        layout=LAYOUT, frame_size=FRAME_SIZE, fps=Fraction(FPS * rate),
        estimator={"name": "rwth-boston-104", "version": "2009-09-25", "settings": {}},
    )  # fmt: skip


if __name__ == "__main__":
    main()
