"""What a text decoder attends to."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Memory(NamedTuple):
    """Vectors `hidden` (B, S, D) and which of them are real, `valid` (B, S) bool."""

    hidden: Tensor
    valid: Tensor
