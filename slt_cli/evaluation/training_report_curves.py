"""Curves over the epochs as inline SVG: they need no script and take the page's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Points = list[tuple[float, float]]
"""(epoch, value) pairs in ascending order of epochs."""

_WIDTH, _HEIGHT = 360, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 8, 20
_MOST_POINTS, _MOST_DOTS = 400, 60
_TICKS = 4


def series_of(metrics: Sequence[Mapping[str, Any]], key: str) -> Points:
    """The epochs that have a number under `key`, and that number."""
    return [
        (float(record["epoch"]), float(record[key]))
        for record in metrics
        if isinstance(record.get(key), int | float) and math.isfinite(record[key])
    ]


def chart(title: str, note: str, series: Mapping[str, Points]) -> str:
    """One figure with a line per series that has points; empty text where none has."""
    drawn = {name: thinned(points) for name, points in series.items() if points}
    if not drawn:
        return ""
    every = [point for points in drawn.values() for point in points]
    frame = _Frame(
        _bounds([x for x, _ in every], whole=True), _bounds([y for _, y in every], whole=False)
    )
    legend = "".join(
        f'<span class="s{i}">{escape(name)} <b>{shown(points[-1][1])}</b></span>'
        for i, (name, points) in enumerate(drawn.items())
    )
    lines = "".join(_line(frame, i, name, p) for i, (name, p) in enumerate(drawn.items()))
    return (
        f"<figure><figcaption><h3>{escape(title)}</h3><p>{escape(note)}</p>{legend}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{_axes(frame)}{lines}</svg></figure>"
    )


def thinned(points: Points, most: int = _MOST_POINTS) -> Points:
    """At most `most` of the points, evenly spread; the first and the last stay."""
    if len(points) <= most:
        return points
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def shown(value: float) -> str:
    """A number as text: three digits, or whole thousands below a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 10**6 else f"{value:.3g}"


class _Frame:
    """From values to places in the picture."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )


def _bounds(values: Sequence[float], *, whole: bool) -> tuple[float, float]:
    """Least and largest, apart from each other; of values that are no epochs at round numbers."""
    low, high = min(values), max(values)
    if whole:
        return (low, high) if high > low else (low - 1, high + 1)
    step = _step(low, high)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return (low, high) if high > low else (low - step, high + step)


def _step(low: float, high: float) -> float:
    """A round distance between marks, about a quarter of the range."""
    rough = (high - low) / _TICKS or abs(high) / _TICKS or 0.25
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)


def _axes(frame: _Frame) -> str:
    low, high = frame.y
    step = _step(low, high)
    marks = [low + i * step for i in range(round((high - low) / step) + 1)]
    rows = ""
    for value in marks:
        x, y = frame.place(frame.x[0], value)
        rows += (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{x - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{shown(value)}</text>'
        )
    first, last = (shown(round(value)) for value in frame.x)
    return (
        f'{rows}<text x="{_LEFT}" y="{_HEIGHT - 4}">epoch {first}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{last}</text>'
    )


def _line(frame: _Frame, index: int, name: str, points: Points) -> str:
    places = [frame.place(x, y) for x, y in points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = ""
    if len(points) <= _MOST_DOTS:
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5">'
            f"<title>{escape(name)}, epoch {epoch:.0f}: {shown(value)}</title></circle>"
            for (x, y), (epoch, value) in zip(places, points, strict=True)
        )
    return f'<g class="s{index}"><path d="{path}"/>{dots}</g>'
