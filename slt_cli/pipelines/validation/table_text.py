"""What a check of a table says: figures for scripts, lines for people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from slt_cli.corpus.table_rules import TABLE_RULES, lengths
from slt_cli.pipelines.validation.table_files import TableCheck
from slt_cli.pipelines.validation.text import count_text, findings_text


def table_facts(done: TableCheck, examples: int) -> dict[str, Any]:
    """The figures of a check, for `--json`; recovered and unresolved rows are of the source."""
    segments, splits = done.checked.segments, done.splits
    facts: dict[str, Any] = {
        "kind": "table",
        "columns": done.checked.table.map.name,
        "rules": len(TABLE_RULES),
        "rows": len(done.source.table.rows),
        "clips": len(segments.segments),
        "videos": len({segment.video for segment in segments.segments}),
        "recovered": len({repair.line for repair in done.source.segments.repairs}),
        "unresolved": len(done.source.segments.unresolved),
        "outliers": len({outlier.line for outlier in done.checked.outliers}),
        "outlier_kinds": dict(Counter(outlier.kind for outlier in done.checked.outliers)),
        "repairs": done.fixed.counts() if done.fixed else {},
        "lengths": lengths(done.checked),
        "findings": [finding.as_dict(examples) for finding in done.findings],
    }
    if done.checked.coder:
        facts["unknown_tokens"] = round(done.checked.unknown_rate, 6)
    if splits:
        facts["shared_texts"] = len(splits.leaks)
        facts["splits"] = {
            split: {"clips": len(ids), "share": round(splits.shares[split], 4)}
            for split, ids in splits.ids.items()
        }
    return facts


def table_text(target: Path, done: TableCheck, outputs: list[Path], examples: int) -> str:
    """Findings, then what the table holds, what was repaired and where files went."""
    facts = table_facts(done, 0)
    lines = findings_text(done.findings, examples) + _length_lines(facts["lengths"])
    if facts["recovered"] or facts["unresolved"]:
        lines.append(
            f"times     {facts['recovered']} rows recovered from the pieces of their clips, "
            f"{facts['unresolved']} without any usable time"
            + ("" if done.fixed else f": slt validate {target} --fix OUT.csv")
        )
    if done.fixed:
        changes = ", ".join(f"{count} {rule}" for rule, count in facts["repairs"].items())
        lines.append(
            f"repaired  {len(done.checked.table.rows)} rows written, {facts['unresolved']} left "
            f"out; cells changed: {changes or 'none'}; the findings are those of the copy"
        )
    if done.splits:
        sizes = ", ".join(
            f"{split} {of['clips']} clips ({of['share']:.1%})"
            for split, of in facts["splits"].items()
        )
        lines.append(f"splits    {sizes}; {facts['shared_texts']} clips share a text with another")
    lines += [f"wrote     {path}" for path in outputs]
    lines.append(
        f"{target}: {facts['rows']} rows read as {facts['columns']}, {facts['clips']} clips of "
        f"{facts['videos']} videos; {count_text(done.findings)} of {facts['rules']} rules"
    )
    return "\n".join(lines)


def _length_lines(lengths: dict[str, dict[str, float]]) -> list[str]:
    """A table of percentiles per clip."""
    if not lengths:
        return []
    names = list(next(iter(lengths.values())))
    lines = ["per clip  " + "".join(f"{name:>10}" for name in names)]
    for quantity, values in lengths.items():
        lines.append(f"{quantity:<10}" + "".join(f"{values[name]:>10.5g}" for name in names))
    return lines
