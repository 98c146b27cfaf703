"""What a rule of `slt validate` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass
class Finding:
    """What one rule found: the clips or lines concerned, all of them."""

    rule: str
    severity: Severity
    message: str
    where: list[str] = field(default_factory=list)

    def as_dict(self, examples: int) -> dict[str, Any]:
        """JSON form with the first `examples` places."""
        return {
            "rule": self.rule, "severity": self.severity, "message": self.message,
            "count": len(self.where), "examples": self.where[:examples],
        }  # fmt: skip
