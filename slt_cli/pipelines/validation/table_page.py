"""The check of a table as a page of HTML."""

from __future__ import annotations

from slt_cli.corpus.table_rules import TABLE_RULES, quantities
from slt_cli.pipelines.validation.charts import histogram
from slt_cli.pipelines.validation.html import findings_section, page, section
from slt_cli.pipelines.validation.table_files import TableCheck
from slt_cli.pipelines.validation.table_text import table_facts

_TILES = ("rows", "clips", "videos", "recovered", "unresolved", "outliers")


def table_page(title: str, done: TableCheck, failed: bool) -> str:
    """Figures, findings and a histogram of each length of a clip."""
    facts = table_facts(done, 0)
    tiles = {name: f"{facts[name]:,}" for name in _TILES}
    tiles |= {split: f"{of['clips']:,}" for split, of in facts.get("splits", {}).items()}
    reasons = {rule.id: rule.why for rule in TABLE_RULES}
    charts = "".join(
        histogram(values, name.capitalize(), "per clip")
        for name, values in quantities(done.checked).items()
    )
    body = f"<div class=charts>{charts}</div>" if charts else ""
    return page(
        title, failed, tiles,
        [findings_section(done.findings, reasons), section("Distributions", "", body)],
    )  # fmt: skip
