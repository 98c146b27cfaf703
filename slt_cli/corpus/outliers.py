"""Clips that stand out: long, short, far from their neighbours, overlapping, too fast to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from slt_cli.corpus.segments import Segment, SegmentTable, gap_s, neighbours, number
from slt_cli.corpus.tables import Table

Kind = Literal["duration", "distance", "overlap", "pieces", "speed"]
FASTEST, SLOWEST = 30.0, 1.0
"""Characters per second beyond which a text cannot belong to its clip; subtitles stay below 20."""
_SAME_S = 1e-6


@dataclass(frozen=True)
class Outlier:
    """One clip and why it stands out."""

    line: int
    clip_id: str
    kind: Kind
    reason: str


def find_outliers(
    table: Table, segments: SegmentTable, duration_factor: float, distance_s: float
) -> list[Outlier]:
    """Clips that stand out, in the order of the table; a clip may do so for several reasons.

    A duration does when it is more than `duration_factor` times the median, or less than the
    median divided by it: the same distance on a logarithmic scale, where durations are symmetric.
    A clip further than `distance_s` from the one before or after it does too.
    """
    found = [
        *_durations(segments, duration_factor),
        *_distances(table, segments, distance_s),
        *_overlaps(segments),
        *_pieces(segments),
        *_speeds(segments),
    ]
    return sorted(found, key=lambda outlier: (outlier.line, outlier.kind, outlier.reason))


def _durations(segments: SegmentTable, factor: float) -> Iterator[Outlier]:
    timed = [(s, s.duration_s) for s in segments.segments if s.duration_s is not None]
    if not timed:
        return
    middle = median(duration for _, duration in timed)
    for segment, duration in timed:
        if not middle / factor <= duration <= middle * factor:
            yield _outlier(
                segment, "duration",
                f"{duration:.2f} s long, {duration / middle:.2g} times the median {middle:.2f} s",
            )  # fmt: skip


def _distances(table: Table, segments: SegmentTable, limit_s: float) -> Iterator[Outlier]:
    """From the table's own columns, and from the neighbours where a cell cannot be read."""
    cells = {row.line: row.cells for row in table.rows}
    computed: dict[tuple[str, int], float] = {}
    for first, second in neighbours(segments):
        computed["after", first.line] = computed["before", second.line] = gap_s(first, second)
    columns = [(role, column) for role in ("before", "after") if (column := table.find(role))]
    for segment in segments.segments:
        for role, column in columns:
            written = number(cells[segment.line][column])
            distance = computed.get((role, segment.line), 0.0) if written is None else written
            if abs(distance) > limit_s:
                yield _outlier(segment, "distance", f"{column} {distance:.2f} s")


def _overlaps(segments: SegmentTable) -> Iterator[Outlier]:
    for first, second in neighbours(segments):
        if (gap := gap_s(first, second)) < -_SAME_S:
            reason = f"begins {-gap:.3f} s before {first.clip_id} (line {first.line}) ends"
            yield _outlier(second, "overlap", reason)


def _pieces(segments: SegmentTable) -> Iterator[Outlier]:
    for segment in segments.segments:
        for first, second in pairwise(segment.pieces):
            if second.start_s < first.end_s - _SAME_S:
                yield _outlier(
                    segment, "pieces",
                    f"a piece begins at {second.start_s:.3f} s, "
                    f"the one before it ends at {first.end_s:.3f} s",
                )  # fmt: skip
                break


def _speeds(segments: SegmentTable) -> Iterator[Outlier]:
    for segment in segments.segments:
        if segment.duration_s and segment.text:
            speed = len(segment.text) / segment.duration_s
            if not SLOWEST <= speed <= FASTEST:
                yield _outlier(segment, "speed", f"{speed:.1f} characters per second")


def _outlier(segment: Segment, kind: Kind, reason: str) -> Outlier:
    return Outlier(segment.line, segment.clip_id, kind, reason)


def by_line(outliers: list[Outlier]) -> dict[int, str]:
    """All reasons of each line, joined."""
    reasons: dict[int, list[str]] = defaultdict(list)
    for outlier in outliers:
        reasons[outlier.line].append(f"{outlier.kind}: {outlier.reason}")
    return {line: "; ".join(given) for line, given in reasons.items()}
