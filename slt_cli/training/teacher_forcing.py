"""How much of the true text the decoder reads while it learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TeacherForcing:
    """Share of true words among those that the decoder reads (Bengio et al. 2015, section 2.4).

    It starts at `start`, shrinks by the factor `decay` with each epoch and stops at `least`. The
    default is teacher forcing throughout.
    """

    start: float = 1.0
    least: float = 0.0
    decay: float = 1.0

    def ratio(self, epoch: int) -> float:
        """max(least, start * decay^epoch) for an epoch counted from 0."""
        return max(self.least, self.start * self.decay**epoch)
