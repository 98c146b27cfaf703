"""Demonstration corpora: rendered videos, the truth beside them, and the annotation tables."""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slt_cli.landmarks.estimators.synthetic import SIDECAR
from slt_cli.storage.atomic import write_npz, write_text
from slt_cli.synthetic.body import FPS, SignClip, sample_clip
from slt_cli.synthetic.grammar import Sentence, sample_corpus
from slt_cli.synthetic.lexicon import GLOSSES
from slt_cli.synthetic.render import Renderer
from slt_cli.synthetic.signers import SIGNERS, TEST_SIGNER, TRAIN_SIGNERS
from slt_cli.video.encode import VideoWriter

Report = Callable[..., None]
SPLITS = ("train", "val", "test")
SIZE = 256


class DemoClip(NamedTuple):
    """One clip of a corpus: its name, what is said and by whom."""

    video_id: str
    split: str
    sentence: Sentence
    signer: str
    seed: tuple[int, int]


def plan_demo_clips(seed: int, num_train: int, num_val: int, num_test: int) -> list[DemoClip]:
    """Choose sentences and signers. Test clips are by the one signer whom training never sees."""
    rng = np.random.default_rng(seed)
    splits = sample_corpus(rng, num_train, num_val, num_test)
    clips: list[DemoClip] = []
    for split, sentences in zip(SPLITS, splits, strict=True):
        people = (TEST_SIGNER,) if split == "test" else TRAIN_SIGNERS
        for number, sentence in enumerate(sentences):
            signer = people[number % len(people)].name
            clips.append(
                DemoClip(f"{split}_{number:03d}", split, sentence, signer, (seed, len(clips)))
            )
    return clips


def write_demo_videos(
    folder: Path,
    corpus_root: Path,
    *,
    seed: int,
    num_train: int,
    num_val: int,
    num_test: int,
    workers: int,
    report: Report,
) -> list[Path]:
    """Render a corpus: videos with their true landmarks in `folder`, tables in `corpus_root`.

    Videos are named `<split>_<number>.mp4`, 256 x 256 at 15 frames per second; beside each lies
    `<name>.landmarks.npz`. The tables are `meta.csv`, `annotations/gloss.csv` (labels from 1 in the
    order of the sorted glosses, 0 is the CTC blank) and `index/{train,val,test}.csv`. Returns the
    videos. Equal seeds give equal files, whatever the number of `workers`.
    Raises `UsageError` when so many different sentences do not exist.
    """
    clips = plan_demo_clips(seed, num_train, num_val, num_test)
    write_tables(corpus_root, clips)
    jobs = [(folder, clip) for clip in clips]
    for done, clip in enumerate(_in_parallel(_render_job, jobs, workers), start=1):
        report("render", done=done, total=len(clips), clip=clip)
    return [folder / f"{clip.video_id}.mp4" for clip in clips]


def render_clip(
    path: Path, glosses: Sequence[str], signer: str, seed: int | tuple[int, int]
) -> SignClip:
    """Write one video and its sidecar, and return the true landmarks.

    `signer` is a name of `SIGNERS`. Raises `InputError` for a gloss that is not in the lexicon.
    """
    person = SIGNERS[signer]
    clip = sample_clip(glosses, person, np.random.default_rng(seed))
    renderer = Renderer(person, SIZE)
    with VideoWriter(path, SIZE, SIZE, Fraction(FPS)) as video:
        for points in clip.points:
            video.write(renderer.draw(points))
    write_npz(
        path.with_suffix(SIDECAR),
        {"points": clip.points, "valid": clip.valid, "time_s": clip.time_s},
    )
    return clip


def _render_job(job: tuple[Path, DemoClip]) -> str:
    folder, clip = job
    path = folder / f"{clip.video_id}.mp4"
    render_clip(path, clip.sentence.glosses, clip.signer, clip.seed)
    return clip.video_id


def _in_parallel(
    work: Callable[[tuple[Path, DemoClip]], str], jobs: list[tuple[Path, DemoClip]], workers: int
) -> Iterator[str]:
    if workers < 2:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        yield from pool.map(work, jobs, chunksize=8)


def write_tables(root: Path, clips: Sequence[DemoClip]) -> None:
    """Write the annotation side of the corpus: texts, glosses, splits."""
    label = {gloss: str(number) for number, gloss in enumerate(GLOSSES, start=1)}
    meta = ((clip.video_id, clip.sentence.text, clip.signer) for clip in clips)
    gloss = (
        (c.video_id, " ".join(c.sentence.glosses), " ".join(label[g] for g in c.sentence.glosses))
        for c in clips
    )
    write_text(root / "meta.csv", _table(("video_id", "texto", "signer"), meta))
    write_text(
        root / "annotations" / "gloss.csv", _table(("video_id", "gloss", "ctc_labels"), gloss)
    )
    for split in SPLITS:
        rows = ((clip.video_id,) for clip in clips if clip.split == split)
        write_text(root / "index" / f"{split}.csv", _table(("video_id",), rows))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
