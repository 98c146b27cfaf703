"""Values that change with the step: learning rate, weight decay, momentum, temperature."""

from __future__ import annotations

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
