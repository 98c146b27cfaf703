"""Values that change with the step: learning rate, weight decay, momentum, temperature."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi


def linear_schedule(step: int, length: int, start: float, final: float) -> float:
    """Go from `start` to `final` in a line of `length` values, both included, then stay.

    With no length the value is `final` from the first step; with one it is `start` once.
    """
    if step >= length:
        return final
    return start + (final - start) * step / max(length - 1, 1)


def cosine_schedule(
    step: int, total: int, base: float, final: float, warmup: int = 0, start: float = 0.0
) -> float:
    """Linear warm-up from `start` to `base`, then half a cosine down (or up) to `final`.

    The warm-up takes `warmup` steps and ends on `base`, which the cosine repeats first;
    `final` is reached at step `total` and kept (Loshchilov and Hutter 2017, without restarts).
    """
    if step < warmup:
        return linear_schedule(step, warmup, start, base)
    if step >= total:
        return final
    progress = (step - warmup) / (total - warmup)
    return final + 0.5 * (base - final) * (1 + cos(pi * progress))


@dataclass(frozen=True)
class RateSchedule:
    """Share of its peak that every learning rate has at an update: warm-up, then the schedule.

    `kind` is none, step, cosine or linear. The last two end at the share `final` after `total`
    updates; `step` multiplies by `gamma` every `step_updates` updates, counted from the first one.
    """

    kind: str
    total: int
    warmup: int
    final: float = 0.0
    step_updates: int = 1
    gamma: float = 1.0

    def factor(self, step: int) -> float:
        """The share at update `step`, from 0. It depends on nothing else."""
        warmup = min(self.warmup, self.total // 2)  # a short run reaches its peak, too
        if self.kind == "step":
            return min(1.0, (step + 1) / max(1, warmup)) * self.gamma ** (step // self.step_updates)
        if step < warmup:
            return (step + 1) / warmup
        if self.kind == "cosine":
            return cosine_schedule(step - warmup, self.total - warmup, 1.0, self.final)
        if self.kind == "linear":
            done = min(1.0, (step - warmup) / max(1, self.total - warmup))
            return 1.0 + (self.final - 1.0) * done
        return 1.0
