"""The training loop: a page to read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from slt_cli.data.sample import Batch
from slt_cli.errors import Diverged, Interrupted
from slt_cli.losses.ctc import gloss_ctc_loss
from slt_cli.losses.distillation import distillation_loss
from slt_cli.losses.translation import IGNORE, published_translation_loss, translation_loss
from slt_cli.models.translator import SltModel
from slt_cli.training.optim import lr_at
from slt_cli.training.state import Progress

Report = Callable[..., None]


@dataclass(frozen=True)
class LoopConfig:
    """Plain values of the loop. Lengths in epochs and updates; weights of the loss terms.

    With `published_pad`, a token id, the translation loss is the one of MSKA's authors.
    """

    epochs: int
    lr: float
    warmup_steps: int
    schedule: str
    grad_accum_steps: int
    clip_grad_norm: float
    label_smoothing: float
    translation_weight: float
    ctc_weight: float
    distillation_weight: float
    distillation_temperature: float
    detach_teacher: bool
    masked: bool
    save_every_steps: int
    published_pad: int | None = None


class TrainBatches(Protocol):
    """Batches of an epoch, from a given batch on."""

    def epoch(self, epoch: int, start: int) -> Iterable[Batch]:
        """Batches `start`, `start + 1`, ... of `epoch`."""
        ...

    def __len__(self) -> int: ...


def compute_losses(model: SltModel, batch: Batch, config: LoopConfig) -> dict[str, torch.Tensor]:
    """Unweighted terms, their weighted sum `loss`, and the loss per `token`, for one batch.

    Terms are sums over the tokens, glosses and frames of a clip, averaged over the clips (Guan et
    al. 2024, as their code does it), and over the gloss heads: sums.
    """
    output = model(batch.streams, batch.valid, batch.frame_valid, batch.labels)
    token = translation_loss(output.text_logits, batch.labels, config.label_smoothing)
    terms = {"translation": token * (batch.labels != IGNORE).sum() / len(batch.labels)}
    if config.published_pad is not None:
        terms["translation"] = published_translation_loss(
            output.text_logits, batch.labels, config.label_smoothing, pad_id=config.published_pad
        )
    weights = {"translation": config.translation_weight}
    glosses = output.glosses
    if glosses is not None and config.ctc_weight:
        terms["ctc"] = torch.stack(
            [
                gloss_ctc_loss(logits, glosses.valid, batch.glosses, batch.gloss_lengths)
                for logits in glosses.logits.values()
            ]
        ).sum()
        weights["ctc"] = config.ctc_weight
    if glosses is not None and glosses.ensemble is not None and config.distillation_weight:
        terms["distillation"] = distillation_loss(
            glosses.logits, glosses.ensemble, glosses.valid, masked=config.masked,
            temperature=config.distillation_temperature, detach_teacher=config.detach_teacher,
        )  # fmt: skip
        weights["distillation"] = config.distillation_weight
    total = torch.stack([weight * terms[name] for name, weight in weights.items()]).sum()
    return {**terms, "token": token, "loss": total}


def fit(
    model: SltModel,
    optimizer: torch.optim.Optimizer,
    batches: TrainBatches,
    config: LoopConfig,
    progress: Progress,
    *,
    device: torch.device,
    save: Callable[[Progress, bool], None],
    end_of_epoch: Callable[[Progress, dict[str, float]], float],
    report: Report,
    should_stop: Callable[[], int | None],
) -> None:
    """Train until `config.epochs`, continuing from `progress`.

    `save(progress, best)` writes a checkpoint; `end_of_epoch(progress, means)` validates, logs and
    returns the value whose minimum is the best checkpoint. Raises `Interrupted` after saving when
    `should_stop()` returns a signal, `Diverged` before a non-finite update.
    """
    per_epoch = math.ceil(len(batches) / config.grad_accum_steps)
    total = per_epoch * config.epochs
    while progress.epoch < config.epochs:
        model.train()
        started = time.monotonic()
        for batch in batches.epoch(progress.epoch, progress.batch):
            _micro_step(model, batch.to(device), config, progress)
            progress.batch += 1
            at_end = progress.batch == len(batches)
            if progress.batch % config.grad_accum_steps and not at_end:
                continue
            _update(model, optimizer, config, progress, total)
            report(
                "train", done=progress.step, total=total, epoch=progress.epoch + 1,
                loss=progress.sums["loss"] / progress.batch, lr=optimizer.param_groups[0]["lr"],
            )  # fmt: skip
            stop = should_stop()
            if stop or (config.save_every_steps and progress.step % config.save_every_steps == 0):
                progress.elapsed_s += time.monotonic() - started
                started = time.monotonic()
                save(progress, False)
            if stop:
                raise Interrupted("training stopped and saved", signal_number=stop)
        progress.elapsed_s += time.monotonic() - started
        _close_epoch(progress, save, end_of_epoch)


def _micro_step(model: SltModel, batch: Batch, config: LoopConfig, progress: Progress) -> None:
    terms = compute_losses(model, batch, config)
    loss = terms["loss"]
    if not torch.isfinite(loss):
        raise Diverged(
            f"the loss is {loss.item()} at update {progress.step}; nothing was updated",
            where=", ".join(batch.video_ids),
            hint="lower --lr or raise --warmup-steps, then continue with --resume",
        )
    (loss / config.grad_accum_steps).backward()
    for name, value in terms.items():
        progress.sums[name] = progress.sums.get(name, 0.0) + value.item()
    progress.sums["clips"] = progress.sums.get("clips", 0) + len(batch.video_ids)
    progress.sums["frames"] = progress.sums.get("frames", 0) + int(batch.frame_valid.sum())


def _update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: LoopConfig,
    progress: Progress,
    total: int,
) -> None:
    lr = lr_at(
        progress.step, total, peak=config.lr, warmup=config.warmup_steps, schedule=config.schedule
    )
    for group in optimizer.param_groups:
        group["lr"] = lr
    trained = [p for p in model.parameters() if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(trained, config.clip_grad_norm or math.inf)
    if not torch.isfinite(norm):
        raise Diverged(
            f"the gradient is {norm.item()} at update {progress.step}; nothing was updated",
            hint="lower --lr or --clip-grad-norm, then continue with --resume",
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    progress.step += 1


def _close_epoch(
    progress: Progress,
    save: Callable[[Progress, bool], None],
    end_of_epoch: Callable[[Progress, dict[str, float]], float],
) -> None:
    """Validate and log, then move to the next epoch and save, so that a resume starts there."""
    count = max(1, progress.batch)
    means = {
        name: value if name in {"clips", "frames"} else value / count
        for name, value in progress.sums.items()
    }
    score = end_of_epoch(progress, means)
    best = progress.best is None or score < progress.best
    if best:
        progress.best = score
    progress.epoch, progress.batch, progress.sums, progress.elapsed_s = (
        progress.epoch + 1,
        0,
        {},
        0.0,
    )
    save(progress, best)


def parameter_counts(model: nn.Module) -> dict[str, Any]:
    """Parameters per top-level part, and how many are trained."""
    parts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {**parts, "total": sum(p.numel() for p in model.parameters()), "trained": trained}
