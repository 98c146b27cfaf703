"""What training costs on this machine: a few real steps on clips of the corpus, with a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.data.sample import Batch
    from slt_cli.pipelines.training.prepare import Run

BUDGET_S = 10.0
"""Seconds for the steps; batches that would take longer are not tried, but worked out."""
SHARES = (0.5, 0.1, 0.9, 0.3, 0.7)
"""Batches that are tried after the smallest and the largest, by their place in order of size."""


@dataclass
class Probe:
    """What the steps took, by the frames of their batches, padding included.

    `steps` and `loads` are (frames, seconds); `update_s` is an optimiser step. `saw_largest` tells
    whether the largest batch was among them, so that memory has been seen at its peak.
    """

    steps: list[tuple[int, float]] = field(default_factory=list)
    loads: list[tuple[int, float]] = field(default_factory=list)
    update_s: float = 0.0
    saw_largest: bool = False


def epoch_batches(settings: Settings, lengths: Sequence[int]) -> list[list[int]]:
    """The clips of every batch of an epoch, small batches first; `lengths` are those of clips."""
    from slt_cli.data.sampler import FrameBudget, LengthBuckets

    data, seed = settings.data, settings.training.seed
    order: Any = LengthBuckets(lengths, data.batch_size, seed)
    if data.max_batch_frames:
        order = FrameBudget(lengths, data.batch_size, data.max_batch_frames, seed)
    batches = [[int(clip) for clip in batch] for batch in order.batches(0)]
    return sorted(batches, key=lambda batch: padded_frames(batch, lengths))


def padded_frames(batch: Sequence[int], lengths: Sequence[int]) -> int:
    """Frames of a batch with its padding."""
    return len(batch) * max(lengths[clip] for clip in batch)


def probe(run: Run, batches: Sequence[Sequence[int]]) -> Probe:
    """Train for a few steps of an untrained model; `batches` are in order of size.

    The first step, on one clip, only warms up and tells how long the others would take.
    """
    from slt_cli.pipelines.training.fitting import optimizer_of, ready_model

    ready_model(run)
    run.model.train()
    optimizer, lengths, found = optimizer_of(run), run.train.lengths(), Probe()
    first = batches[0][:1]
    started = time.monotonic()
    seconds = _step(run, _load(run, first, found), optimizer)
    per_frame = seconds / padded_frames(first, lengths)
    for number, batch in enumerate(_tried(batches)):
        frames = padded_frames(batch, lengths)
        if time.monotonic() - started + per_frame * frames > BUDGET_S:
            continue
        loaded = _load(run, batch, found)
        for _ in range(2 if number == 0 else 1):  # the moments are made in the first update
            seconds = _step(run, loaded, optimizer)
        found.update_s = _timed(run, optimizer.step)
        found.steps.append((frames, seconds))
        per_frame = seconds / frames
        found.saw_largest |= batch is batches[-1]
    if not found.steps:
        found.steps.append((padded_frames(first, lengths), seconds))
    return found


def _tried(batches: Sequence[Sequence[int]]) -> Iterator[Sequence[int]]:
    places = [len(batches) - 1, *(int(share * (len(batches) - 1)) for share in SHARES)]
    return (batches[place] for place in dict.fromkeys(places))


def _load(run: Run, batch: Sequence[int], found: Probe) -> Batch:
    """The batch, and how long it takes to make it of clips that have been read before."""
    from slt_cli.data.collate import collate

    def load() -> Batch:
        return collate([run.train[0, clip] for clip in batch])

    load()
    started = time.monotonic()
    loaded = load()
    frames = padded_frames(batch, run.train.lengths())
    found.loads.append((frames, time.monotonic() - started))
    return loaded


def _step(run: Run, batch: Batch, optimizer: Any) -> float:
    """Seconds of one step up to the gradients, and then the update."""
    from torch import nn

    from slt_cli.pipelines.training.recipe import loop_config
    from slt_cli.training.objective import compute_losses

    config = loop_config(run.settings, run.tokenizer.pad_id)

    def learn() -> None:
        terms = compute_losses(run.model, batch.to(run.device), config)
        for term in terms.values():
            term.item()
        terms["loss"].backward()

    optimizer.zero_grad(set_to_none=True)
    seconds = _timed(run, learn)
    trained = [p for p in run.model.parameters() if p.grad is not None]
    nn.utils.clip_grad_norm_(trained, config.clip_grad_norm or float("inf"))
    optimizer.step()
    return seconds


def _timed(run: Run, work: Callable[[], object]) -> float:
    import torch

    started = time.monotonic()
    work()
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)
    return time.monotonic() - started
