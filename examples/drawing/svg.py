"""Steps as a picture: one box each, with its shapes, and an arrow from what it reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from drawing.layout import Cell, arranged
from drawing.trace import Shape, Step

Lines = list[tuple[str, str]]  # class and text of each line in a box

LINE, CHARACTER, PADDING, MARGIN = 14, 6.65, 7, 16  # pixels; a character of 11 px monospace
GAP, STEEP, WIDEST = 26, 7, 1100
TITLE = 46
COLOURS = {
    "input": ("#eceff3", "#8a94a3"), "weight": ("#fbf3d5", "#b59b3b"),
    "module": ("#e3edfb", "#4a78b8"), "function": ("#e4f4e4", "#4f9150"),
    "result": ("#f6e6ee", "#b0587f"),
}  # fmt: skip
STYLE = """
text { font: 11px 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1c2430; }
.title { font: bold 15px 'DejaVu Sans', Helvetica, Arial, sans-serif; }
.note { font: 11px 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #4d5866; }
.name { font-weight: bold; }
.after, .count { fill: #5b6675; }
path { fill: none; stroke: #6b7685; stroke-width: 1.2; }
"""


def picture(steps: Sequence[Step], *, title: str, note: str, characters: int) -> str:
    """An SVG document; no line in a box is longer than `characters`.

    Raises `ValueError` for more than 1,100 pixels, which a page cannot show.
    """
    texts = {step.name: _lines(step, characters) for step in steps}
    longest = max(len(text) for lines in texts.values() for _, text in lines)
    rows = arranged(steps, longest * CHARACTER + 2 * PADDING)
    inner = max(cell.x + cell.width / 2 for row in rows for cell in row)
    width = max(inner, *(len(t) * k for t, k in ((title, 9.4), (note, 6.4)))) + 2 * MARGIN
    if width > WIDEST:
        raise ValueError(f"{title}: {width:.0f} pixels are too wide; allow fewer characters")
    for row in rows:
        for cell in row:
            cell.x += (width - inner) / 2
    tops, heights = _rows(rows, texts)
    body = [arrow for row in rows for cell in row for arrow in _arrows(cell, tops, heights, texts)]
    body += [
        _box(cell, tops[cell.row], texts[cell.step.name])
        for row in rows
        for cell in row
        if cell.step
    ]
    return _document(body, width, tops[-1] + heights[-1] + MARGIN, title, note)


def _lines(step: Step, characters: int) -> Lines:
    shapes = _shapes(step.gives)
    if step.kind in {"module", "function"}:
        shapes = f"{_shapes(step.reads)} → {shapes}"
    said = [("after", "after " + ", ".join(step.after))] if step.after else []
    said += [("name", step.name), ("class", step.made_by), ("shape", shapes)]
    if step.parameters:
        said.append(("count", f"{step.parameters:,} parameters"))
    return [(kind, line) for kind, text in said for line in _wrapped(text, characters)]


def _shapes(shapes: Sequence[Shape]) -> str:
    return ", ".join("×".join(map(str, shape)) for shape in shapes)


def _wrapped(text: str, characters: int) -> list[str]:
    """Lines that end after a blank, a dot or an underscore, or before a capital."""
    lines = [""]
    for piece in re.findall(r".+?(?:[ ._]|(?<=[a-z])(?=[A-Z])|$)", text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > characters:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _height(lines: Lines) -> float:
    return len(lines) * LINE + PADDING + 3


def _rows(rows: list[list[Cell]], texts: dict[str, Lines]) -> tuple[list[float], list[float]]:
    """Top and height of each row."""
    tops, heights = [], []
    for row in rows:
        bent = {round(cell.x - upper.x) for cell in row for upper in cell.above} - {0}
        gap = min(GAP + STEEP * len(bent), 3 * GAP)
        tops.append(tops[-1] + heights[-1] + gap if tops else TITLE)
        heights.append(max(_height(texts[cell.step.name]) for cell in row if cell.step))
    return tops, heights


def _box(cell: Cell, top: float, lines: Lines) -> str:
    assert cell.step is not None
    fill, edge = COLOURS[cell.step.kind]
    left = cell.x - cell.width / 2
    parts = [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{cell.width:.1f}" '
        f'height="{_height(lines):.1f}" rx="5" fill="{fill}" stroke="{edge}"/>'
    ]
    for number, (kind, text) in enumerate(lines, 1):
        y = top + number * LINE + 1
        parts.append(
            f'<text class="{kind}" x="{left + PADDING:.1f}" y="{y:.1f}">{escape(text)}</text>'
        )
    return f"<g><title>{escape(cell.step.name)}</title>{''.join(parts)}</g>"


def _arrows(
    cell: Cell, tops: list[float], heights: list[float], texts: dict[str, Lines]
) -> list[str]:
    """Arrows that end at a cell; several enter a box side by side, from left to right."""
    arrows, above = [], sorted(cell.above, key=lambda upper: upper.x)
    for number, upper in enumerate(above, 1):
        start, end = tops[upper.row] + heights[upper.row], tops[cell.row]
        edge = tops[upper.row] + _height(texts[upper.step.name]) if upper.step else start
        x = cell.x
        if cell.step and len(above) > 1:
            x += cell.width * (number / (len(above) + 1) - 0.5) * 0.7
        bend = (start + end) / 2
        path = f"M{upper.x:.1f} {edge:.1f}V{start:.1f}C{upper.x:.1f} {bend:.1f} "
        path += f"{x:.1f} {bend:.1f} {x:.1f} {end:.1f}"
        head = ' marker-end="url(#head)"' if cell.step else ""
        passing = "" if cell.step else f"V{end + heights[cell.row]:.1f}"
        arrows.append(f'<path d="{path}{passing}"{head}/>')
    return arrows


def _document(body: list[str], width: float, height: float, title: str, note: str) -> str:
    head = '<path d="M0 0L7 3.5L0 7z" style="fill: #6b7685; stroke: none"/>'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<style>{STYLE}</style>",
        f'<defs><marker id="head" markerWidth="7" markerHeight="7" refX="6.5" refY="3.5" '
        f'orient="auto">{head}</marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text class="title" x="{MARGIN}" y="20">{escape(title)}</text>',
        f'<text class="note" x="{MARGIN}" y="36">{escape(note)}</text>',
        *body,
        "</svg>\n",
    ])  # fmt: skip
