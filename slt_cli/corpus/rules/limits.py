"""From where on something counts as wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Thresholds of the rules.

    `min_coverage` is the share of frames with a hand below which a clip is reported;
    `temporal_stride` the frames per step of the gloss head; `temporal_kernel` the frames that one
    temporal convolution sees.
    """

    min_coverage: float = 0.1
    temporal_stride: int = 4
    temporal_kernel: int = 3
