"""The end of an epoch: validation losses, now and then translations, one line of metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from slt_cli.data.dataset import ClipDataset
from slt_cli.data.loader import evaluation_batches
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.evaluation.decoding import translate_batches
from slt_cli.evaluation.metrics import score_text, word_error_rate
from slt_cli.models.translator import SltModel
from slt_cli.training.loop import LoopConfig, compute_losses
from slt_cli.training.run_folder import RunFolder
from slt_cli.training.state import Progress

NUM_SAMPLES = 5


@dataclass
class Validator:
    """Called by the loop after each epoch; returns the value whose minimum is best."""

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

    def __call__(self, progress: Progress, means: dict[str, float]) -> float:
        """Measure, log one record, and return the validation loss or the negative BLEU."""
        epoch = progress.epoch + 1
        started = time.monotonic()
        losses = self.losses()
        record: dict[str, Any] = {"epoch": epoch, "step": progress.step}
        for split, terms in (("", means), ("val_", losses)):
            record |= {f"{split}loss": terms["loss"]}
            for term in ("translation", "ctc", "distillation"):
                if term in terms:
                    record[f"{split}loss_{term}"] = terms[term]
        record["val_perplexity"] = math.exp(min(losses["token"], 50.0))
        if epoch % self.generate_every == 0 or epoch == self.config.epochs:
            record |= self.translations(epoch)
        record |= _speed(progress, means) | {"val_s": round(time.monotonic() - started, 3)}
        self.folder.log_epoch(record)
        shown = ("epoch", "loss", "val_loss", "bleu", "wer", "clips_per_s")
        self.report("epoch", **{k: record[k] for k in shown if k in record})
        if self.metric == "bleu":
            return -float(record["bleu"]) if "bleu" in record else math.inf
        return float(losses["loss"])

    @torch.no_grad()
    def losses(self) -> dict[str, float]:
        """Mean of every loss term over the validation batches."""
        self.model.eval()
        sums: dict[str, float] = {}
        count = 0
        for batch in evaluation_batches(self.dataset, self.batch_size):
            count += 1
            for name, value in compute_losses(
                self.model, batch.to(self.device), self.config
            ).items():
                sums[name] = sums.get(name, 0.0) + value.item()
        return {name: value / count for name, value in sums.items()}

    def translations(self, epoch: int) -> dict[str, float]:
        """Greedy translations of the split: scores for the log, a few samples for reading."""
        hypotheses = translate_batches(
            self.model, evaluation_batches(self.dataset, self.batch_size), self.tokenizer,
            self.glosses, device=self.device, beams=1, length_penalty=1.0,
            max_length=self.max_length, report=self.report, total=len(self.dataset),
        )  # fmt: skip
        self.folder.write_samples(epoch, [h.as_row() for h in hypotheses[:NUM_SAMPLES]])
        scores = score_text([h.prediction for h in hypotheses], [h.reference for h in hypotheses])
        named = {score.name: score.value for score in scores}
        found = {"bleu": named["BLEU-4"], "chrf": named["chrF"], "wer": named["WER"]}
        with_gloss = [h for h in hypotheses if h.gloss_reference]
        if with_gloss:
            found["gloss_wer"] = word_error_rate(
                "gloss WER", [h.gloss_prediction for h in with_gloss],
                [h.gloss_reference for h in with_gloss],
            ).value  # fmt: skip
        return found


def _speed(progress: Progress, means: dict[str, float]) -> dict[str, float]:
    seconds = max(progress.elapsed_s, 1e-9)
    return {
        "train_s": round(progress.elapsed_s, 3),
        "clips_per_s": round(means["clips"] / seconds, 2),
        "frames_per_s": round(means["frames"] / seconds, 1),
    }
