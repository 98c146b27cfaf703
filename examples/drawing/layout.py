"""Where the boxes of a picture go: steps in rows by what they need, side by side where parallel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from drawing.trace import Step

BESIDE, TRUNK = 14, 12  # pixels between boxes; width of an arrow that passes a row


@dataclass
class Cell:
    """A box, or the place where an arrow passes a row (`step` None)."""

    step: Step | None
    row: int
    width: float
    x: float = 0.0
    above: list[Cell] = field(default_factory=list)
    below: list[Cell] = field(default_factory=list)


def arranged(steps: Sequence[Step], width: float) -> list[list[Cell]]:
    """Rows of cells with their horizontal centres, in pixels from the left edge."""
    rows = _rows(steps, width)
    for _ in range(4):
        for row in rows[1:]:
            _sort(row, "above")
        for row in reversed(rows[:-1]):
            _sort(row, "below")
    _place(rows)
    left = min(cell.x - cell.width / 2 for row in rows for cell in row)
    for row in rows:
        for cell in row:
            cell.x -= left
    return rows


def _rows(steps: Sequence[Step], width: float) -> list[list[Cell]]:
    level = _levels(steps)
    cells = {step.name: Cell(step, level[step.name], width) for step in steps}
    rows: list[list[Cell]] = [[] for _ in range(max(level.values()) + 1)]
    for cell in cells.values():
        rows[cell.row].append(cell)
    for name, readers in _readers(steps).items():
        trunk = cells[name]
        for row in range(trunk.row + 1, max(level[reader] for reader in readers) + 1):
            for reader in readers:
                if level[reader] == row:
                    _connect(trunk, cells[reader])
            if any(level[reader] > row for reader in readers):
                passing = Cell(None, row, TRUNK)
                rows[row].append(passing)
                _connect(trunk, passing)
                trunk = passing
    return rows


def _levels(steps: Sequence[Step]) -> dict[str, int]:
    """Row of each step: below all it reads, and right above the first that reads it."""
    level: dict[str, int] = {}
    for step in steps:
        level[step.name] = 1 + max((level[source] for source in step.sources), default=-1)
    readers = _readers(steps)
    for step in reversed(steps):
        if step.name in readers:
            level[step.name] = min(level[reader] for reader in readers[step.name]) - 1
    return level


def _readers(steps: Sequence[Step]) -> Mapping[str, list[str]]:
    readers = defaultdict(list)
    for step in steps:
        for source in step.sources:
            readers[source].append(step.name)
    return readers


def _connect(upper: Cell, lower: Cell) -> None:
    upper.below.append(lower)
    lower.above.append(upper)


def _sort(row: list[Cell], side: str) -> None:
    """Order a row by the mean place of its neighbours on one side."""
    ranks = {}
    for place, cell in enumerate(row):
        near = getattr(cell, side)
        ranks[id(cell)] = sum(other.x for other in near) / len(near) if near else place
    row.sort(key=lambda cell: ranks[id(cell)])
    for place, cell in enumerate(row):
        cell.x = place


def _place(rows: list[list[Cell]]) -> None:
    """The widest row is packed; the others follow it, up and down, as straight as they can."""
    widest = max(range(len(rows)), key=lambda i: (sum(cell.width for cell in rows[i]), -i))
    _spread(rows[widest], [0.0] * len(rows[widest]))
    for _ in range(3):  # again, for cells whose only neighbours are on the other side
        for row in rows[widest + 1 :]:
            _spread(row, [_wish(cell.above or cell.below) for cell in row])
        for row in reversed(rows[:widest]):
            _spread(row, [_wish(cell.below or cell.above) for cell in row])


def _wish(neighbours: list[Cell]) -> float:
    return _mean([cell.x for cell in neighbours]) if neighbours else 0.0


def _spread(row: list[Cell], wishes: Sequence[float]) -> None:
    """Put cells as near to their wishes as their widths allow, in least squares."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + BESIDE)
    groups: list[list[float]] = []  # wishes less offset, pooled until they rise
    for wish, offset in zip(wishes, offsets, strict=True):
        groups.append([wish - offset])
        while len(groups) > 1 and _mean(groups[-2]) > _mean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    pooled = [_mean(group) for group in groups for _ in group]
    for cell, place, offset in zip(row, pooled, offsets, strict=True):
        cell.x = place + offset


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
