"""Gloss recognition on RWTH-BOSTON-104: slt's keypoint network, and a BiGRU beside it.

python examples/boston104/run.py ../shared/data FOLDER           chooses: scores the dev part
python examples/boston104/run.py ../shared/data FOLDER --test    trains on it, too; scores the test

Each seed has a dev part of its own. Both models read the same sentences, changed in the same ways,
for a fixed number of epochs; no checkpoint is picked. WER is counted on the glosses of the corpus,
those that training never shows included. Glosses are read twice: by the best path, and by a beam
search with a bigram model of the training sentences, which leaves every sequence possible.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
import torch
from bigru import train_bigru
from corpus import write_corpus
from decode import Bigrams, beam_search

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_gloss_table, read_index
from slt_cli.data.loader import evaluation_batches
from slt_cli.data.sample import Batch
from slt_cli.evaluation.decoding import gloss_text, greedy_ctc
from slt_cli.evaluation.metrics import word_error_rate
from slt_cli.models.translator import gloss_scores
from slt_cli.pipelines.restore import RestoredRun, restore_run
from slt_cli.storage.atomic import write_npz
from slt_cli.training.run_folder import RunFolder

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from record import record

SETTINGS = Path(__file__).with_name("settings.yaml")
BIGRU_EPOCHS = 40
MSKA, BIGRU = "slt, MSKA", "BiGRU"
BIGRAMS = {  # chosen on the dev parts
    MSKA: {"weight": 0.5, "bonus": 1.0},
    BIGRU: {"weight": 0.5, "bonus": 1.0},
}
PATH, SEARCH = "best path", "search with bigrams"
GRID = [(weight, bonus) for weight in (0.25, 0.5, 0.75, 1.0) for bonus in (0.0, 1.0, 2.0)]

Scores = dict[str, npt.NDArray[np.floating]]
Read = Callable[[npt.NDArray[np.floating]], Sequence[int]]


@dataclass(frozen=True)
class Result:
    """What a model says about the sentences of a split: log-probabilities (T, K) of each."""

    model: str
    seed: int
    scores: Scores
    minutes: float


@dataclass(frozen=True)
class Task:
    """What a seed trains on and is scored on."""

    run: RestoredRun
    corpus: CorpusPaths
    split: str

    def recorded(self) -> list[tuple[str, ...]]:
        """The training sentences that somebody signed."""
        glosses, ids = read_gloss_table(self.corpus.gloss_csv), read_index(self.corpus.train_index)
        return [glosses[name] for name in ids if not name.startswith("cross_")]

    def bigrams(self) -> Bigrams:
        """Of the recorded sentences."""
        number = {gloss: i + 1 for i, gloss in enumerate(self.run.glosses)}
        sentences = [[number[gloss] for gloss in sentence] for sentence in self.recorded()]
        return Bigrams(sentences, len(number) + 1)

    def error_rates(self, scores: Scores, read: Read) -> tuple[float, float]:
        """WER of all sentences and of those that are not in training, as shares."""
        glosses, known = read_gloss_table(self.corpus.gloss_csv), set(self.recorded())
        found = {name: gloss_text(read(s), self.run.glosses) for name, s in scores.items()}
        new = [name for name in scores if glosses[name] not in known]
        return self._rate(found, glosses, scores), self._rate(found, glosses, new)

    @staticmethod
    def _rate(
        found: dict[str, str], glosses: dict[str, tuple[str, ...]], names: Iterable[str]
    ) -> float:
        pairs = [(found[name], " ".join(glosses[name])) for name in names]
        if not pairs:
            return float("nan")
        return word_error_rate("WER", *map(list, zip(*pairs, strict=True))).value / 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="holds boston104/")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--test", action="store_true", help="the one run on the test sentences")
    args = parser.parse_args()
    found = []
    for seed in args.seeds:
        task = prepared(args, seed)
        found += [(task, mska(task, seed)), (task, bigru(task, seed, args.folder))]
    print(table(found) if args.test else choices(found))


def prepared(args: argparse.Namespace, seed: int) -> Task:
    """The corpus of a seed and the run trained on it, made where they are not there yet."""
    name = f"{seed}-all" if args.test else str(seed)
    corpus, work_dir = args.folder / f"corpus-{name}", args.folder / f"mska-{name}"
    if not (corpus / "annotations").exists():
        write_corpus(args.data, corpus, seed, with_dev=args.test)
    if RunFolder(work_dir).status != "completed":
        subprocess.run(
            [
                sys.executable, "-m", "slt_cli", "train", "--config", str(SETTINGS),
                "--data", str(corpus), "--work-dir", str(work_dir), "--seed", str(seed),
                "--device", "cpu",
            ],
            check=True,
        )  # fmt: skip
    split = "test" if args.test else "val"
    return Task(restore_run(work_dir / "last.pt", "cpu"), CorpusPaths.from_root(corpus), split)


def mska(task: Task, seed: int) -> Result:
    """All gloss heads together."""
    folder = task.run.path.parent
    seconds = (folder / "artifacts.json").stat().st_mtime - (folder / "config.json").stat().st_mtime
    scores = {}
    with torch.no_grad():
        for batch in evaluation_batches(task.run.dataset(task.split), 16):
            glosses = task.run.model.encode(batch.streams, batch.valid, batch.frame_valid).glosses
            assert glosses is not None
            told = gloss_scores(glosses).log_softmax(-1)
            scores |= of_clips(batch, told, glosses.valid)
    return Result(MSKA, seed, scores, seconds / 60)


def bigru(task: Task, seed: int, folder: Path) -> Result:
    """The baseline on the sentences of the run, kept in FOLDER once it is trained."""
    kept = folder / f"bigru-{task.corpus.root.name}-{task.split}.npz"
    if not kept.exists():
        run, started = task.run, time.monotonic()
        model = train_bigru(
            run.dataset("train", augment=True), len(run.glosses) + 1, epochs=BIGRU_EPOCHS,
            seed=seed, report=partial(print, file=sys.stderr),
        )  # fmt: skip
        scores, minutes = {}, (time.monotonic() - started) / 60
        with torch.no_grad():
            for batch in evaluation_batches(run.dataset(task.split), 16):
                scores |= of_clips(batch, model(batch).log_softmax(-1), batch.frame_valid)
        write_npz(kept, {"minutes": np.array(minutes), **scores})
    with np.load(kept) as arrays:
        scores = {name: arrays[name] for name in arrays.files if name != "minutes"}
        return Result(BIGRU, seed, scores, float(arrays["minutes"]))


def of_clips(batch: Batch, scores: torch.Tensor, valid: torch.Tensor) -> Scores:
    """(B, T, K) and its mask (B, T) to (T, K) of every clip."""
    return {
        name: clip[:count].numpy()
        for name, clip, count in zip(batch.video_ids, scores, valid.sum(1).tolist(), strict=True)
    }


def best_path(scores: npt.NDArray[np.floating]) -> list[int]:
    """The likeliest class of every step, repetitions and blanks left out."""
    return greedy_ctc(scores.argmax(-1).tolist())


def reading(way: str, task: Task, model: str) -> Read:
    """One of the two ways of reading glosses."""
    if way == PATH:
        return best_path
    return partial(beam_search, bigrams=task.bigrams(), **BIGRAMS[model])


def choices(found: Sequence[tuple[Task, Result]]) -> str:
    """WER of the dev parts, with what there is to choose for the bigrams."""
    lines = []
    for model in dict.fromkeys(result.model for _, result in found):
        own = [(task, result) for task, result in found if result.model == model]
        rates = [task.error_rates(result.scores, best_path) for task, result in own]
        lines.append(f"{model}, best path: {shown(rates)}")
        for weight, bonus in GRID:
            rates = [
                task.error_rates(
                    result.scores,
                    partial(beam_search, bigrams=task.bigrams(), weight=weight, bonus=bonus),
                )
                for task, result in own
            ]
            lines.append(f"{model}, bigrams, weight {weight}, bonus {bonus}: {shown(rates)}")
        lines.append(f"{model}: at most {max(result.minutes for _, result in own):.1f} minutes")
    return "\n".join(lines)


def shown(rates: Sequence[tuple[float, float]]) -> str:
    """Means and single values of (all, new)."""
    parts = []
    for name, values in zip(("all", "new"), zip(*rates, strict=True), strict=True):
        single = " ".join(f"{value:.3f}" for value in values)
        parts.append(f"{name} {mean(values):.3f} ({single})")
    return ", ".join(parts)


def table(found: Sequence[tuple[Task, Result]]) -> str:
    """The record of the test run."""
    rows = []
    for model in dict.fromkeys(result.model for _, result in found):
        own = [(task, result) for task, result in found if result.model == model]
        for way in (PATH, SEARCH):
            rates = [
                task.error_rates(result.scores, reading(way, task, model)) for task, result in own
            ]
            minutes = max(result.minutes for _, result in own)
            rows.append([f"{model}, {way}", *columns(rates), round(minutes, 1)])
    return record(
        "RWTH-BOSTON-104: gloss WER of the test sentences",
        "python examples/boston104/run.py ../shared/data FOLDER --test",
        ["model and reading", "40 sentences", "each seed", "14 not in training", "each seed",
         "minutes a run, at most"],
        rows,
    )  # fmt: skip


def columns(rates: Sequence[tuple[float, float]]) -> list[object]:
    cells: list[object] = []
    for values in zip(*rates, strict=True):
        cells += [round(mean(values), 3), " ".join(f"{value:.3f}" for value in values)]
    return cells


if __name__ == "__main__":
    main()
