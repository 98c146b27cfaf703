"""Parameters, memory, disk and time of a training run, before it starts."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slt_cli.pipelines.result import silent
from slt_cli.pipelines.train_probe import epoch_batches, padded_frames
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    import torch

    from slt_cli.builders import ModelShape
    from slt_cli.builders.estimate import Part
    from slt_cli.data.dataset import ClipDataset
    from slt_cli.data.tokenizer import TextTokenizer
    from slt_cli.pipelines.training.clips import Clips

MEASURED_PARAMETERS = {"cpu": 60_000_000, "cuda": 1_000_000_000}
"""Models up to this size are built and tried; of larger ones operations and bytes are counted."""
EFFICIENCY = 0.35
"""Share of the speed of a large matrix product that a training step reaches: a rough rule."""


@dataclass(frozen=True)
class Estimate:
    """Costs of a run and how they were found out. `train_s` leaves the validations out."""

    parts: list[Part]
    memory_bytes: int
    memory_how: str
    disk_bytes: int
    train_s: float
    time_how: str
    updates: int

    def facts(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "parameters": {p.name: {"trained": p.trained, "frozen": p.frozen} for p in self.parts},
            "memory_mib": round(self.memory_bytes / 2**20), "memory_how": self.memory_how,
            "disk_mib": math.ceil(self.disk_bytes / 2**20), "train_s": round(self.train_s, 3),
            "time_how": self.time_how, "updates": self.updates,
        }  # fmt: skip


@dataclass(frozen=True)
class _Cost:
    """Bytes of memory; seconds of an epoch without updates and of an update; how both are known."""

    memory_bytes: int
    memory_how: str
    epoch_s: float
    update_s: float
    time_how: str


@dataclass(frozen=True)
class _Planned:
    """What a run would be made of."""

    settings: Settings
    clips: Clips
    device: torch.device
    tokenizer: TextTokenizer
    train: ClipDataset
    shape: ModelShape
    batches: list[list[int]]


def estimate_run(settings: Settings, clips: Clips) -> Estimate:
    """Parameters, memory, disk and time of a new run.

    A model that is small for the device takes a few real steps; of a larger one bytes and
    operations are counted, and nothing is computed. Raises as `build_model` does.
    """
    from slt_cli.builders.estimate import build_imagined, checkpoint_bytes, imagined, parts_of

    planned = _planned(settings, clips)
    with imagined():
        parts = parts_of(build_imagined(settings, planned.shape, planned.tokenizer))
    size = sum(part.trained + part.frozen for part in parts)
    small = size <= MEASURED_PARAMETERS[planned.device.type]
    cost = _measured(planned) if small else _counted(planned, parts)
    training, optim = settings.training, settings.optim
    per_epoch = math.ceil(len(planned.batches) / optim.grad_accum_steps)
    updates = min(training.epochs * per_epoch, training.max_train_steps or math.inf)
    every = training.save_every_steps if training.keep_steps else 0
    kept = 2 + (updates // every if every else 0)  # last and best, and those kept on request
    return Estimate(
        parts, cost.memory_bytes, cost.memory_how,
        int(kept) * checkpoint_bytes(parts, optim.optimizer),
        cost.epoch_s * updates / per_epoch + cost.update_s * updates, cost.time_how, int(updates),
    )  # fmt: skip


def _planned(settings: Settings, clips: Clips) -> _Planned:
    from slt_cli.builders import ModelShape, build_dataset, resolve_device
    from slt_cli.builders.estimate import backbone_configs
    from slt_cli.pipelines.training.prepare import words_of

    tokenizer, glosses = words_of(settings, clips, None)
    train = build_dataset(settings, clips.corpus, clips.train, tokenizer, glosses, augment=True)
    backbones = {} if settings.training.task == "gloss2text" else backbone_configs(settings.model)
    shape = ModelShape(len(glosses), train.num_points(), train.pose_dim(), backbones)
    device, batches = (
        resolve_device(settings.training.device),
        epoch_batches(settings, train.lengths()),
    )
    return _Planned(settings, clips, device, tokenizer, train, shape, batches)


def _measured(planned: _Planned) -> _Cost:
    """Memory and time from real steps on batches of the corpus."""
    from slt_cli.builders.estimate import fitted
    from slt_cli.pipelines.train_probe import probe
    from slt_cli.pipelines.training.prepare import prepare
    from slt_cli.training.guards import peak_memory_mib

    run = prepare(planned.settings, planned.clips, None, planned.device, silent)
    lengths = run.train.lengths()
    sizes = [padded_frames(batch, lengths) for batch in planned.batches]
    found = probe(run, planned.batches)
    step, load = fitted(found.steps), fitted(found.loads)
    epoch_s = sum(map(step, sizes))
    if not planned.settings.data.num_workers:
        epoch_s += sum(map(load, sizes))
    how = "measured in this process, the largest batch included"
    if not found.saw_largest:
        seen = max(frames for frames, _ in found.steps)
        how = f"measured on up to {seen} frames; the largest batch has {sizes[-1]} and takes more"
    return _Cost(
        int(peak_memory_mib(planned.device) * 2**20), how, epoch_s, found.update_s,
        f"{len(found.steps)} steps timed on this machine, as busy as it is now; validation is not "
        "in it",
    )  # fmt: skip


def _counted(planned: _Planned, parts: list[Part]) -> _Cost:
    """Memory and time from bytes and operations: for models that are too large to try."""
    from slt_cli.builders.estimate import (
        BatchSize,
        build_imagined,
        imagined,
        state_bytes,
        step_work,
    )
    from slt_cli.training.guards import peak_memory_mib

    settings, lengths, largest = planned.settings, planned.train.lengths(), planned.batches[-1]
    most = settings.data.max_target_length
    tokens = max(len(planned.tokenizer.encode(r.text, most)) for r in planned.clips.train)
    size = BatchSize(len(largest), max(lengths[clip] for clip in largest), tokens)
    with imagined():
        model = build_imagined(settings, planned.shape, planned.tokenizer)
        work = step_work(model, settings, planned.shape.num_points, size)
    memory = state_bytes(parts, settings.optim.optimizer) + work.activation_bytes
    if planned.device.type == "cpu":  # what the process holds already
        memory += int(peak_memory_mib(planned.device) * 2**20)
    frames = sum(padded_frames(batch, lengths) for batch in planned.batches)
    operations = work.operations * frames / (size.clips * size.frames)
    return _Cost(
        memory, "counted: weights, gradients, moments, activations of the largest batch",
        operations / (EFFICIENCY * _product_rate(planned.device)), 0.0,
        f"counted: {operations / 1e12:.3g} TFLOP an epoch at the speed of matrix products here, "
        "less a rough share; it may be twice as long or half; validation is not in it",
    )  # fmt: skip


def _product_rate(device: torch.device) -> float:
    """Operations per second of large matrix products in float32."""
    import torch

    side, count = 1024, 3
    a = torch.ones(side, side, device=device)
    (a @ a).sum().item()
    started = time.monotonic()
    for _ in range(count):
        (a @ a).sum().item()
    return count * 2 * side**3 / (time.monotonic() - started)
