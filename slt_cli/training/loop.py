"""The training loop: a page to read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import nn

from slt_cli.data.sample import Batch
from slt_cli.errors import InputError, Interrupted
from slt_cli.models.translator import SltModel
from slt_cli.training.config import LoopConfig
from slt_cli.training.distributed import (
    average_gradients,
    largest,
    sum_over_processes,
    world,
)
from slt_cli.training.guards import (
    batch_record,
    diverged,
    memory_guard,
    named,
    peak_memory_mib,
    refuse_untrained,
)
from slt_cli.training.memory import give_back_memory
from slt_cli.training.objective import compute_losses, has_targets
from slt_cli.training.optim import set_rates
from slt_cli.training.precision import LEAST_SCALE
from slt_cli.training.schedules import RateSchedule
from slt_cli.training.state import Progress

__all__ = ["LoopConfig", "TrainBatches", "compute_losses", "fit", "is_finished", "parameter_counts"]

Report = Callable[..., None]
COUNTS = ("clips", "frames", "skipped")
"""Of the sums of an epoch those that are no means."""


class TrainBatches(Protocol):
    """Batches of an epoch, from a given batch on."""

    def epoch(self, epoch: int, start: int) -> Iterable[Batch]:
        """Batches `start`, `start + 1`, ... of `epoch`."""
        ...

    def __len__(self) -> int: ...


class Save(Protocol):
    """Writes a checkpoint."""

    def __call__(self, progress: Progress, *, best: bool, keep: bool) -> None:
        """Save; as the best one so far, too, or as one that later ones leave in place."""
        ...


def fit(
    model: SltModel,
    optimizer: torch.optim.Optimizer,
    batches: TrainBatches,
    config: LoopConfig,
    progress: Progress,
    *,
    device: torch.device,
    save: Save,
    end_of_epoch: Callable[[Progress, dict[str, float]], float],
    report: Report,
    should_stop: Callable[[], int | None],
    scaler: torch.amp.GradScaler | None = None,
    keep_batch: Callable[[dict[str, Any]], None] = lambda record: None,
) -> None:
    """Train until the run is finished, continuing from `progress`.

    Every process of a distributed run calls this with its own share of the batches. All of them
    save and decide alike; the first one alone validates. `end_of_epoch(progress, means)` validates,
    logs and returns the value whose minimum is the best checkpoint, infinity when it did not
    measure it. `means` holds every loss term, plain and `_weighted`, and what `_means` adds.

    Raises `Interrupted` after saving when `should_stop()` returns a signal, `Diverged` before an
    update that is not finite, after `keep_batch` got the batch (`batch_record`), `OutOfResources`
    when memory runs out, and `UsageError` when the first update leaves parameters untrained.
    """
    loop = _Loop(model, optimizer, batches, config, progress, device, scaler)
    while not is_finished(progress, config):
        model.train()
        for due in loop.updates(report, keep_batch):
            stop = largest(should_stop() or 0)
            if stop or due:
                save(progress, best=False, keep=due)
            if stop:
                raise Interrupted("training stopped and saved", signal_number=stop)
        best = loop.close_epoch(end_of_epoch)
        save(progress, best=best, keep=False)
        stop = largest(should_stop() or 0)
        if stop and not is_finished(progress, config):
            raise Interrupted("training stopped and saved", signal_number=stop)


def is_finished(progress: Progress, config: LoopConfig) -> bool:
    """Whether nothing is left to train: all epochs, all updates, or no better for too long."""
    return (
        progress.epoch >= config.epochs
        or 0 < config.max_train_steps <= progress.step
        or 0 < config.early_stopping <= progress.stale
    )


class _Loop:
    """An epoch of a run, update by update."""

    def __init__(
        self,
        model: SltModel,
        optimizer: torch.optim.Optimizer,
        batches: TrainBatches,
        config: LoopConfig,
        progress: Progress,
        device: torch.device,
        scaler: torch.amp.GradScaler | None,
    ) -> None:
        self.model, self.optimizer, self.batches = model, optimizer, batches
        self.config, self.progress, self.device, self.scaler = config, progress, device, scaler
        per_epoch = math.ceil(len(batches) / config.grad_accum_steps)
        total = per_epoch * config.epochs
        self.total = min(total, config.max_train_steps or total)
        self.schedule = RateSchedule(
            config.schedule, total=self.total, warmup=config.warmup_steps,
            final=config.min_lr / config.lr, step_updates=config.scheduler_step_size * per_epoch,
            gamma=config.scheduler_gamma,
        )  # fmt: skip
        self.pending = 0  # batches whose gradients wait for the update
        self.ids: list[str] = []  # their clips

    def updates(
        self, report: Report, keep_batch: Callable[[dict[str, Any]], None]
    ) -> Iterator[bool]:
        """Train to the end of the epoch; after each update, whether it is time for a checkpoint."""
        config, progress = self.config, self.progress
        asked = time.monotonic()
        for batch in self.batches.epoch(progress.epoch, progress.batch):
            progress.wait_s += time.monotonic() - asked
            with memory_guard(batch):
                self._learn(batch, report, keep_batch)
                progress.batch += 1
                whole = self._at_boundary() and self._update(batch, keep_batch)
            now = time.monotonic()
            progress.elapsed_s, asked = progress.elapsed_s + now - asked, now
            if whole:
                self._tell(report)
                yield bool(config.save_every_steps) and not progress.step % config.save_every_steps
                if 0 < config.max_train_steps <= progress.step:
                    return
                asked = time.monotonic()

    def _learn(
        self, batch: Batch, report: Report, keep_batch: Callable[[dict[str, Any]], None]
    ) -> None:
        """Add the gradient of one batch, unless nobody has a target in it."""
        progress, sums = self.progress, self.progress.sums
        if not has_targets(batch, self.config):
            sums["skipped"] = sums.get("skipped", 0) + 1
            report("warning", text=f"batch without a target skipped: {named(batch.video_ids)}")
            return
        terms = compute_losses(self.model, batch.to(self.device), self.config, self._ratio())
        values = dict(
            zip(terms, sum_over_processes([t.item() for t in terms.values()]), strict=True)
        )
        self.pending += 1
        self.ids += batch.video_ids
        if not math.isfinite(values["loss"]):
            keep_batch(batch_record(batch, self.ids, values, progress))
            raise diverged("loss", values["loss"], self.ids, progress)
        loss = terms["loss"] / self._batches_of_update()
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        counts = sum_over_processes([len(batch.video_ids), int(batch.frame_valid.sum())])
        values |= zip(COUNTS, counts, strict=False)
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value

    def _at_boundary(self) -> bool:
        batch = self.progress.batch
        return batch % self.config.grad_accum_steps == 0 or batch == len(self.batches)

    def _batches_of_update(self) -> int:
        """Batches that the update at hand adds up: fewer at the end of an epoch."""
        first = self.progress.batch // self.config.grad_accum_steps * self.config.grad_accum_steps
        return min(self.config.grad_accum_steps, len(self.batches) - first)

    def _update(self, batch: Batch, keep_batch: Callable[[dict[str, Any]], None]) -> bool:
        """Take a step with the gradients of the batches since the last one; False without any."""
        if not self.pending:
            return False
        model, optimizer, progress = self.model, self.optimizer, self.progress
        if progress.step == 0:
            refuse_untrained(model)
        average_gradients(model)
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)
        set_rates(optimizer, self.schedule.factor(progress.step))
        trained = [p for p in model.parameters() if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(trained, self.config.clip_grad_norm or math.inf).item()
        if not math.isfinite(norm) and not self._scale_may_shrink():
            keep_batch(batch_record(batch, self.ids, {"gradient_norm": norm}, progress))
            raise diverged("gradient", norm, self.ids, progress)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)  # not with gradients that overflowed
            self.scaler.update()
        optimizer.zero_grad(set_to_none=True)
        self.pending, self.ids = 0, []
        progress.step += 1
        return True

    def _scale_may_shrink(self) -> bool:
        """Whether gradients may be infinite only because the scaler enlarged them too much."""
        return self.scaler is not None and self.scaler.get_scale() > LEAST_SCALE

    def _ratio(self) -> float:
        return self.config.teacher_forcing.ratio(self.progress.epoch)

    def _tell(self, report: Report) -> None:
        progress = self.progress
        means = self._means()
        seconds = max(progress.elapsed_s, 1e-9)
        report(
            "train", done=progress.step, total=self.total, epoch=progress.epoch + 1,
            epochs=self.config.epochs, loss=means["loss"],
            terms={name: means[name] for name in self.config.weights if name in means},
            lr=self.config.lr * self.schedule.factor(progress.step - 1),
            samples_per_s=means["clips"] / seconds, frames_per_s=means["frames"] / seconds,
            wait_share=means["wait_share"], memory_mib=means["peak_memory_mib"],
        )  # fmt: skip

    def _means(self) -> dict[str, float]:
        """Means over the batches of the epoch so far, counts, times and memory."""
        progress, sums = self.progress, self.progress.sums
        used = max(1, progress.batch - int(sums.get("skipped", 0)))
        means = {name: value / used for name, value in sums.items() if name not in COUNTS}
        weights = self.config.weights
        means |= {f"{n}_weighted": weights[n] * means[n] for n in weights if n in means}
        return {
            **means, **{name: sums.get(name, 0) for name in COUNTS},
            "teacher_forcing": self._ratio(),
            "seconds_per_iteration": progress.elapsed_s / max(1, progress.batch),
            "wait_share": progress.wait_s / max(progress.elapsed_s, 1e-9),
            "peak_memory_mib": peak_memory_mib(self.device),
        }  # fmt: skip

    def close_epoch(self, end_of_epoch: Callable[[Progress, dict[str, float]], float]) -> bool:
        """Validate, log, go on to the next epoch; returns whether this one is the best so far."""
        progress = self.progress
        if "loss" not in progress.sums:
            raise InputError(
                "no clip of the epoch has a target: there is nothing to learn from",
                hint="slt validate tells which texts and glosses are missing",
            )
        score = end_of_epoch(progress, self._means()) if world().is_main else 0.0
        score = math.inf if math.isnan(score) else score
        score = sum_over_processes([score], patient=True)[0]
        best = score < (math.inf if progress.best is None else progress.best)
        if best:
            progress.best, progress.stale = score, 0
        elif score < math.inf:
            progress.stale += 1
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        progress.elapsed_s = progress.wait_s = 0.0
        give_back_memory()
        return best


def parameter_counts(model: nn.Module) -> dict[str, Any]:
    """Parameters per top-level part, and how many are trained."""
    parts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {**parts, "total": sum(p.numel() for p in model.parameters()), "trained": trained}
