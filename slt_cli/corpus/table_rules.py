"""All rules of an annotation table, and their application."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slt_cli.corpus import text_rules, time_rules
from slt_cli.corpus.checked_table import CheckedTable, TableRule
from slt_cli.corpus.rules.finding import Finding

TABLE_RULES: tuple[TableRule, ...] = tuple(
    sorted(
        (
            rule
            for module in (text_rules, time_rules)
            for rule in vars(module).values()
            if isinstance(rule, TableRule)
        ),
        key=lambda rule: rule.id,
    )
)
"""Every rule of a table, by id."""


def check_table(checked: CheckedTable) -> list[Finding]:
    """Apply every rule and return what was found, errors first."""
    findings = [
        Finding(rule.id, rule.severity, rule.title, list(rule.find(checked)))
        for rule in TABLE_RULES
    ]
    return sorted((f for f in findings if f.where), key=lambda f: (f.severity != "error", f.rule))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Smallest, middle, high percentiles and largest of `values`; empty for no values."""
    if not values:
        return {}
    names = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, at)), 3) for name, at in names.items()}


def quantities(checked: CheckedTable) -> dict[str, list[float]]:
    """Seconds, characters, glosses and tokens of every clip, where they are known."""
    durations = (segment.duration_s for segment in checked.segments.segments)
    found: dict[str, list[float]] = {
        "seconds": [seconds for seconds in durations if seconds is not None],
        "characters": [len(text) for _, text in checked.cells("text") if text],
        "glosses": [len(cell.split()) for _, cell in checked.cells("gloss") if cell],
        "tokens": [len(tokens) for tokens in checked.tokens.values()],
    }
    return {name: values for name, values in found.items() if values}


def lengths(checked: CheckedTable) -> dict[str, dict[str, float]]:
    """Percentiles of each of the `quantities`."""
    return {name: percentiles(values) for name, values in quantities(checked).items()}
