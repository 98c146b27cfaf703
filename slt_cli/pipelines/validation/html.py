"""One self-contained page about a check: no scripts, no other files, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from slt_cli import __version__
from slt_cli.corpus.rules.finding import Finding
from slt_cli.pipelines.validation.page_style import STYLE

_MOST_PLACES = 1000
_LONG_VALUE = 11


def page(title: str, failed: bool, tiles: Mapping[str, str], sections: Iterable[str]) -> str:
    """The whole page; `tiles` are figures by name, `sections` are HTML made by this package."""
    verdict = "failed" if failed else "passed"
    boxes = "".join(_tile(name, value) for name, value in tiles.items())
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: {verdict}</title><style>{STYLE}</style></head><body><main>"
        f'<header><p>slt validate</p><h1>{escape(title)} <em class="{verdict}">{verdict}</em></h1>'
        f"</header><section class=tiles>{boxes}</section>{''.join(sections)}"
        f"<footer>slt {escape(__version__)}</footer></main></body></html>\n"
    )


def section(title: str, note: str, body: str) -> str:
    """A part of the page with a heading and a sentence that says how to read it."""
    shown = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{shown}{body}</section>" if body else ""


def _tile(name: str, value: str) -> str:
    wide = " wide" if len(value) > _LONG_VALUE else ""
    return f'<div class="tile{wide}"><b>{escape(value)}</b><span>{escape(name)}</span></div>'


def findings_section(findings: Sequence[Finding], reasons: Mapping[str, str]) -> str:
    """Each finding as a line that opens to its places; `reasons` says by rule why it matters."""
    if not findings:
        return section("Findings", "", "<p class=good>Every rule holds.</p>")
    return section(
        "Findings",
        "Open a line to see every clip or row concerned.",
        "".join(_finding(finding, reasons.get(finding.rule, "")) for finding in findings),
    )


def _finding(finding: Finding, why: str) -> str:
    places = "".join(f"<li>{escape(place)}" for place in finding.where[:_MOST_PLACES])
    more = len(finding.where) - _MOST_PLACES
    rest = f"<p>and {more} more: slt validate --json --examples {len(finding.where)}</p>"
    return (
        f'<details class="finding {finding.severity}"><summary>'
        f"<i>{finding.severity}</i><code>{escape(finding.rule)}</code>"
        f"<span>{escape(finding.message)}</span><b>{len(finding.where):,}</b></summary>"
        f"<p class=note>{escape(why)}</p><ul>{places}</ul>{rest if more > 0 else ''}</details>"
    )
