"""What training makes small: the loss terms of a batch and their weighted sum."""

from __future__ import annotations

import torch
from torch import Tensor

from slt_cli.data.sample import Batch
from slt_cli.losses.ctc import gloss_ctc_loss
from slt_cli.losses.distillation import distillation_loss
from slt_cli.losses.translation import IGNORE, published_translation_loss, translation_loss
from slt_cli.models.mska.encoder import MSKAOutput
from slt_cli.models.translator import SltModel
from slt_cli.training.config import LoopConfig
from slt_cli.training.distributed import sum_over_processes
from slt_cli.training.precision import autocast


def compute_losses(
    model: SltModel, batch: Batch, config: LoopConfig, ratio: float = 1.0
) -> dict[str, Tensor]:
    """Unweighted terms, their weighted sum `loss`, and the loss per target `token`, for one batch.

    Terms are sums over the tokens, glosses and frames of a clip, averaged over the clips (Guan et
    al. 2024, as their code does it), and over the gloss heads: sums. In training the clips and
    tokens of all processes are the divisor: the terms of the processes add up to those of one that
    sees all clips. Without text (sign2gloss) there is neither `translation` nor `token`.

    `ratio` is the share of true words that the text decoder reads.
    """
    clips, tokens = _counts(batch, everywhere=model.training)
    with autocast(batch.labels.device, config.precision):
        output = model(
            batch.streams, batch.valid, batch.frame_valid,
            None if config.task == "sign2gloss" else batch.labels,
            batch.glosses if config.task == "gloss2text" else None, teacher_forcing=ratio,
        )  # fmt: skip
    terms, extra = {}, {}
    share = len(batch.video_ids) / clips  # 0 where a process has no clip of a batch
    if output.text_logits is not None:
        terms["translation"] = _translation(output.text_logits, batch.labels, config) * share
        with torch.no_grad():  # told as perplexity, which knows no smoothing
            token = translation_loss(output.text_logits, batch.labels, 0.0)
            extra["token"] = token * (batch.labels != IGNORE).sum() / max(1, tokens)
    if output.glosses is not None:
        found = _gloss_terms(output.glosses, batch, config)
        terms |= {name: term * share for name, term in found.items()}
    weighted = [config.weights[name] * term for name, term in terms.items()]
    return {**terms, **extra, "loss": torch.stack(weighted).sum()}


def _translation(logits: Tensor, labels: Tensor, config: LoopConfig) -> Tensor:
    """Sum over the words of a clip, averaged over the clips of this process."""
    smoothing = config.label_smoothing
    if config.published_pad is not None:
        return published_translation_loss(logits, labels, smoothing, pad_id=config.published_pad)
    total = translation_loss(logits, labels, smoothing) * (labels != IGNORE).sum()
    return total / max(1, len(labels))


def has_targets(batch: Batch, config: LoopConfig) -> bool:
    """Whether any process has a clip that one of the losses can learn from."""
    words = config.task != "sign2gloss" and bool((batch.labels != IGNORE).any())
    glosses = config.task != "gloss2text" and bool((batch.gloss_lengths > 0).any())
    return sum_over_processes([words + (glosses and config.ctc_weight > 0)])[0] > 0


def _counts(batch: Batch, *, everywhere: bool) -> tuple[float, float]:
    """Clips and target tokens, of all processes or of this one."""
    counts = [len(batch.video_ids), int((batch.labels != IGNORE).sum())]
    clips, tokens = sum_over_processes(counts) if everywhere else counts
    return clips, tokens


def _gloss_terms(glosses: MSKAOutput, batch: Batch, config: LoopConfig) -> dict[str, Tensor]:
    terms = {}
    if config.ctc_weight:
        terms["ctc"] = torch.stack(
            [
                gloss_ctc_loss(logits, glosses.valid, batch.glosses, batch.gloss_lengths)
                for logits in glosses.logits.values()
            ]
        ).sum()
    if config.distillation_weight and glosses.ensemble is not None:
        terms["distillation"] = distillation_loss(
            glosses.logits, glosses.ensemble, glosses.valid, masked=config.masked,
            temperature=config.distillation_temperature, detach_teacher=config.detach_teacher,
        )  # fmt: skip
    return terms
