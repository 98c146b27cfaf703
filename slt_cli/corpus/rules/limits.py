"""From where on something counts as wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Thresholds of the rules.

    `min_coverage` is the share of frames with a hand below which a clip is reported;
    `temporal_stride` the frames per step of the gloss head; `temporal_kernel` the frames that one
    temporal convolution sees. With a `tokenizer`, texts of more than `max_target_length` tokens
    are reported.
    """

    min_coverage: float = 0.1
    temporal_stride: int = 1
    temporal_kernel: int = 5
    tokenizer: Path | None = None
    max_target_length: int = 64
