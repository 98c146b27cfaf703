"""Batches of made-up clips and plain settings of a loop, shared by tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from slt_cli.data.sample import Batch
from slt_cli.training.loop import LoopConfig
from tests.models.small import random_inputs


def made_up_batch(
    seed: int = 0,
    lengths: Sequence[int] = (9, 6),
    *,
    words: Sequence[int] | None = None,
    glosses: bool = True,
) -> Batch:
    """Clips of these lengths; `words` counts the target tokens of each, by default 2, 3, ..."""
    streams, valid, frame_valid = random_inputs(list(lengths), seed)
    generator = torch.Generator().manual_seed(seed)
    counts = list(words if words is not None else range(2, 2 + len(lengths)))
    labels = torch.full((len(lengths), max(1, *counts)), -100)
    for row, count in zip(labels, counts, strict=True):
        row[:count] = torch.randint(3, 40, (count,), generator=generator)
    return Batch(
        [f"clip_{seed}_{row}" for row in range(len(lengths))], streams, valid, frame_valid, labels,
        torch.randint(1, 7, (len(lengths), 1), generator=generator) * glosses,
        torch.full((len(lengths),), int(glosses)), [""] * len(lengths),
        ["G"] * len(lengths),
    )  # fmt: skip


@dataclass
class Batches:
    """The same batches in every epoch."""

    batches: list[Batch]

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches from `start` on."""
        yield from self.batches[start:]


def config(**changes: Any) -> LoopConfig:
    """A plain loop: one epoch, a constant rate, no clipping, every loss with weight 1."""
    plain: dict[str, Any] = {
        "epochs": 1, "lr": 0.01, "warmup_steps": 0, "schedule": "none", "grad_accum_steps": 1,
        "clip_grad_norm": 0.0, "label_smoothing": 0.0, "translation_weight": 1.0,
        "ctc_weight": 1.0, "distillation_weight": 1.0, "distillation_temperature": 1.0,
        "detach_teacher": True, "masked": True, "save_every_steps": 0,
    }  # fmt: skip
    return LoopConfig(**{**plain, **changes})
