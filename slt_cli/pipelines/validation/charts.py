"""Small charts as inline SVG: they stay sharp, weigh little and take the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_BINS = 20
_STEPS = 240
_WIDTH, _HEIGHT, _BASE = 320, 120, 96


def strip(seen: npt.NDArray[np.bool_], label: str) -> str:
    """A bar over time that is filled where something was seen; `seen` is (T,)."""
    steps = min(len(seen), _STEPS)
    edges = np.linspace(0, len(seen), steps + 1).astype(int)
    filled = [bool(seen[a:b].mean() >= 0.5) for a, b in pairwise(edges)]
    path, start = "", None
    for step, on in enumerate([*filled, False]):
        if on and start is None:
            start = step
        elif not on and start is not None:
            path += f"M{start} 0h{step - start}v1H{start}z"
            start = None
    return (
        f'<svg class="strip" viewBox="0 0 {max(steps, 1)} 1" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(label)}"><path d="{path}"/></svg>'
    )


def histograms(*charts: tuple[Sequence[float], str, str]) -> str:
    """Histograms of (values, title, unit) side by side, without those that have no values."""
    drawn = "".join(histogram(values, title, unit) for values, title, unit in charts if values)
    return f"<div class=charts>{drawn}</div>" if drawn else ""


def histogram(values: Sequence[float], title: str, unit: str) -> str:
    """Bars of how many of `values` lie where, with smallest, median and largest in words."""
    data = np.asarray(values, np.float64)
    bins = _bins(data)
    edges: list[float] = bins.tolist()
    counts: list[int] = np.histogram(data, bins)[0].tolist()
    step, most = _WIDTH / len(counts), max(counts)
    bars = "".join(
        f'<rect x="{i * step + 1:.1f}" width="{step - 2:.1f}" '
        f'y="{_BASE - _bar(count, most):.1f}" height="{_bar(count, most):.1f}">'
        f"<title>{_number(edges[i])} to {_number(edges[i + 1])} {escape(unit)}: {count}</title>"
        "</rect>"
        for i, count in enumerate(counts)
        if count
    )
    low, middle, high = (_number(float(q)) for q in np.quantile(data, (0, 0.5, 1)))
    told = f"{low} to {high}, median {middle}"
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b> '
        f"<span>{told} {escape(unit)}</span></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}: {told}">'
        f'{bars}<line x1="0" x2="{_WIDTH}" y1="{_BASE}" y2="{_BASE}"/>'
        f'<text x="0" y="{_HEIGHT - 6}">{_number(edges[0])}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">{_number(edges[-1])}</text>'
        f'<text x="{_WIDTH}" y="12" text-anchor="end">most: {most}</text></svg></figure>'
    )


def _bins(data: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges at round numbers that cover the data."""
    low, high = float(data.min()), float(data.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    rough = (high - low) / _BINS
    unit = 10.0 ** math.floor(math.log10(rough))
    width = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = math.floor(low / width) * width
    edges: npt.NDArray[np.float64] = first + width * np.arange(
        math.floor((high - first) / width) + 2
    )
    return edges


def _bar(count: int, most: int) -> float:
    """Height of a bar; the smallest is still visible."""
    return max(2.0, (_BASE - 18) * count / most)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
