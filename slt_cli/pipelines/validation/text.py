"""Findings as a table of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.rules.rule import Rule


def findings_text(findings: Sequence[Finding], examples: int) -> list[str]:
    """Lines: severity, id, message and count in columns, the first places below each."""
    width = max((len(finding.message) for finding in findings), default=0)
    lines = []
    for finding in findings:
        count = len(finding.where)
        lines.append(
            f"{finding.severity:<8} {finding.rule}  {finding.message:<{width}}  {count:>6}"
        )
        lines += [f"               {place}" for place in finding.where[:examples]]
        if 0 < examples < count:
            lines.append(f"               ... and {count - examples} more")
    return lines


def count_text(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 warning`: numbers of rules broken."""
    severities = [finding.severity for finding in findings]
    parts = []
    for name in ("error", "warning"):
        count = severities.count(name)
        parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return ", ".join(parts)


def rules_text(rules: Iterable[Rule]) -> str:
    """One line per rule: id, severity, title, and why it matters."""
    listed = list(rules)
    width = max(len(rule.title) for rule in listed)
    return "\n".join(f"{r.id}  {r.severity:<7}  {r.title:<{width}}  {r.why}" for r in listed)


def rules_markdown(rules: Iterable[Rule]) -> str:
    """The same as a Markdown table, for the docs."""
    lines = ["| rule | severity | finding | why it matters |", "| --- | --- | --- | --- |"]
    lines += [f"| `{r.id}` | {r.severity} | {r.title} | {r.why} |" for r in rules]
    return "\n".join(lines)
