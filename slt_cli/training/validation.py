"""The end of an epoch: validation losses, now and then translations, one line of metrics."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from slt_cli.data.dataset import ClipDataset
from slt_cli.data.loader import evaluation_batches
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError, UsageError
from slt_cli.evaluation.decoding import Hypothesis, recognise_batches, translate_batches
from slt_cli.losses.translation import IGNORE
from slt_cli.models.translator import SltModel
from slt_cli.training.config import LoopConfig
from slt_cli.training.epoch_record import (
    SCORES,
    epoch_record,
    gloss_error_rate,
    text_scores,
    to_minimise,
)
from slt_cli.training.objective import compute_losses
from slt_cli.training.run_folder import RunFolder
from slt_cli.training.state import Progress

NUM_SAMPLES, NUM_SHOWN = 5, 2
_SCORES_OF_TASK = {
    "sign2text": SCORES, "sign2gloss": ("gloss_wer",), "gloss2text": ("bleu", "chrf", "wer"),
}  # fmt: skip
_SHOWN = ("epoch", "loss", "val_loss", *SCORES, "samples_per_s")
_PLOT_SHARE = 20  # of the time, at most one part in this many goes into pictures

Tracker = Callable[[dict[str, Any]], None]
"""Told each record of `metrics.jsonl`, such as TensorBoard."""


@dataclass
class Validator:
    """Called by the loop after each epoch; returns the value whose minimum is best.

    With a `metric` other than `loss`, only the epochs that are translated have one (every
    `generate_every` and the last); for the others, and where the score is not defined, the value is
    infinite: it is no improvement, and no validation that early stopping counts.

    Of several processes only the first one validates. The others wait for its value, so a
    validation must end within the time-out of the process group.

    Raises `InputError` for an empty split, `UsageError` for a metric that the task never has.
    """

    model: SltModel
    dataset: ClipDataset
    tokenizer: TextTokenizer
    glosses: Sequence[str]
    config: LoopConfig
    batch_size: int
    max_length: int
    generate_every: int
    metric: str
    folder: RunFolder
    device: torch.device
    report: Callable[..., None]
    tracker: Tracker | None = None
    _trackers: dict[str, Tracker] = field(init=False)
    _next_plots: float = 0.0

    def __post_init__(self) -> None:
        check_validation(
            self.config.task, self.metric, len(self.dataset), glosses=bool(self.glosses)
        )
        self._trackers = {"the report": self._write_report}
        if self.tracker is not None:
            self._trackers["TensorBoard"] = self.tracker

    def __call__(self, progress: Progress, means: dict[str, float]) -> float:
        """Measure, log one record, and return the value of `metric` to minimise."""
        epoch = progress.epoch + 1
        started = time.monotonic()
        losses = self.losses()
        loss = losses["loss"] if self.metric == "loss" else math.inf
        due = epoch % self.generate_every == 0 or self._is_last(progress, loss)
        scores = self.scores(epoch) if due else {}
        record = epoch_record(progress, means, losses, scores, self._defined_scores())
        record["val_s"] = round(time.monotonic() - started, 3)
        self.folder.log_epoch(record)
        self.report("epoch", **{name: record[name] for name in _SHOWN if name in record})
        value = to_minimise(record, self.metric)
        self._next_plots = 0.0 if self._is_last(progress, value) else self._next_plots
        for name in tuple(self._trackers):
            self._tell(name, record)
        return value

    def losses(self) -> dict[str, float]:
        """Mean of every loss term over the clips of the split, and of `token` over its tokens."""
        self.model.eval()
        sums: defaultdict[str, float] = defaultdict(float)
        counts: defaultdict[str, int] = defaultdict(int)
        for batch in evaluation_batches(self.dataset, self.batch_size):
            with torch.no_grad():
                terms = compute_losses(self.model, batch.to(self.device), self.config)
            tokens = int((batch.labels != IGNORE).sum())
            for name, value in terms.items():
                weight = tokens if name == "token" else len(batch.video_ids)
                sums[name] += weight * value.item()
                counts[name] += weight
        return {name: sums[name] / count for name, count in counts.items() if count}

    def scores(self, epoch: int) -> dict[str, float | None]:
        """Scores of greedy translations of the split; a few of them are kept for reading."""
        hypotheses = self._recognise() if self.config.task == "sign2gloss" else self._translate()
        # The batches are sorted by length: clips of every length, not the shortest ones.
        samples = hypotheses[:: math.ceil(len(hypotheses) / NUM_SAMPLES)]
        self.folder.write_samples(epoch, [h.as_row() for h in samples])
        self.report("samples", rows=[self._shown(h) for h in samples[-NUM_SHOWN:]])
        found = {**text_scores(hypotheses), "gloss_wer": gloss_error_rate(hypotheses)}
        return {name: found[name] for name in self._defined_scores()}

    def _defined_scores(self) -> list[str]:
        """The scores that mean something for the task and its data."""
        named = _SCORES_OF_TASK[self.config.task]
        return [name for name in named if name != "gloss_wer" or self.glosses]

    def _translate(self) -> list[Hypothesis]:
        return translate_batches(
            self.model, evaluation_batches(self.dataset, self.batch_size), self.tokenizer,
            self.glosses, device=self.device, beams=1, length_penalty=1.0,
            max_length=self.max_length, report=self.report, total=len(self.dataset),
        )  # fmt: skip

    def _recognise(self) -> list[Hypothesis]:
        """Glosses alone: the text decoder of the model is not trained."""
        return recognise_batches(
            self.model, evaluation_batches(self.dataset, self.batch_size), self.glosses,
            device=self.device, report=self.report, total=len(self.dataset),
        )  # fmt: skip

    def _is_last(self, progress: Progress, value: float) -> bool:
        """Whether no epoch follows one with this value to minimise."""
        config = self.config
        worse = progress.best is not None and progress.best <= value < math.inf
        return (
            progress.epoch + 1 >= config.epochs
            or 0 < config.max_train_steps <= progress.step
            or (worse and 0 < config.early_stopping <= progress.stale + 1)
        )

    def _shown(self, hypothesis: Hypothesis) -> dict[str, str]:
        if self.config.task == "sign2gloss":
            said, true = hypothesis.gloss_prediction, hypothesis.gloss_reference
        else:
            said, true = hypothesis.prediction, hypothesis.reference
        return {"prediction": said, "reference": true}

    def _tell(self, name: str, record: dict[str, Any]) -> None:
        """Training goes on without a tracker that fails; it is named once and not asked again."""
        try:
            self._trackers[name](record)
        except Exception as error:
            del self._trackers[name]
            reason = f"{type(error).__name__}: {error}"
            self.report("warning", text=f"{name} is no longer written ({reason})")

    def _write_report(self, record: dict[str, Any]) -> None:
        """Write the page each time, the pictures when they cost a small part of the time."""
        started = time.monotonic()
        plots = started >= self._next_plots
        self.folder.write_report(plots=plots)
        if plots:
            now = time.monotonic()
            self._next_plots = now + _PLOT_SHARE * (now - started)


def check_validation(task: str, metric: str, num_clips: int, *, glosses: bool) -> None:
    """Refuse a run whose best checkpoint could never be told.

    Raises `InputError` for an empty split, `UsageError` for a metric that the task never has.
    """
    if not num_clips:
        raise InputError(
            "the validation split is empty: no epoch could be told to be the best",
            hint="list validation clips in index/val.csv",
        )
    if metric != "loss" and metric not in _SCORES_OF_TASK[task]:
        raise UsageError(
            f"the task {task} has no {metric}", where="training.best_metric",
            hint=f"loss or {', '.join(_SCORES_OF_TASK[task])}",
        )  # fmt: skip
    if metric == "gloss_wer" and not glosses:
        raise UsageError(
            "there are no glosses to recognise", where="training.best_metric",
            hint="give annotations/gloss.csv, or choose another metric",
        )  # fmt: skip
