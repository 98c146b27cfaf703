"""The rules of a table that says from when to when its clips are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from slt_cli.corpus.checked_table import CheckedTable, alike, folded, table_rule
from slt_cli.corpus.outliers import Kind
from slt_cli.corpus.segments import gap_s, neighbours, number

_PIECES_S = 0.01
_MOSTLY = 0.5


@table_rule(
    "A020", "error", "no usable time", why="the clip cannot be cut out of its video"
)  # fmt: skip
def times_usable(checked: CheckedTable) -> Iterator[str]:
    """Start and end are numbers, or proven by the pieces, and start comes first."""
    for row in checked.segments.unresolved:
        yield f"{checked.place(row)}: {checked.segments.reasons[row.line]}"


@table_rule(
    "A021", "error", "damaged time, proven by the pieces of the clip",
    why="other programs read it wrong; --fix OUT writes it right",
)  # fmt: skip
def times_readable(checked: CheckedTable) -> Iterator[str]:
    """Start and end need no repair."""
    changes: dict[int, list[str]] = defaultdict(list)
    for repair in checked.segments.repairs:
        changes[repair.line].append(f"{repair.column} {repair.before!r} is {repair.after}")
    yield from (f"line {line}: {', '.join(changed)}" for line, changed in changes.items())


@table_rule(
    "A022", "warning", "start or end are not those of the pieces", why="one of them is wrong"
)
def times_agree(checked: CheckedTable) -> Iterator[str]:
    """The first piece starts with the clip and the last one ends with it."""
    for s in checked.segments.segments:
        if s.pieces and s.start_s is not None and s.end_s is not None:
            first, last = s.pieces[0].start_s, s.pieces[-1].end_s
            if max(abs(first - s.start_s), abs(last - s.end_s)) > _PIECES_S:
                yield f"line {s.line}: {s.start_s:g}-{s.end_s:g}, its pieces {first:g}-{last:g}"


@table_rule(
    "A023", "error", "clip mostly inside another clip of the video", why="the times must be wrong"
)
def clips_apart(checked: CheckedTable) -> Iterator[str]:
    """Consecutive clips share less than half of the shorter one; equal spans are A025."""
    for first, second in neighbours(checked.segments):
        shortest = min(first.duration_s or 0.0, second.duration_s or 0.0)
        same = (first.start_s, first.end_s) == (second.start_s, second.end_s)
        if not same and -gap_s(first, second) > _MOSTLY * shortest:
            yield f"lines {first.line} and {second.line}: {-gap_s(first, second):.2f} s shared"


@table_rule(
    "A025", "warning", "same part of a video under two ids", why="it counts twice in training"
)
def spans_distinct(checked: CheckedTable) -> Iterator[str]:
    """No two clips have video, start and end in common."""
    spans: dict[tuple[str, float | None, float | None], list[int]] = defaultdict(list)
    for s in checked.segments.segments:
        spans[s.video, s.start_s, s.end_s].append(s.line)
    for (video, start, end), found in spans.items():
        if len(found) > 1 and start is not None and end is not None:
            yield f"lines {', '.join(map(str, found))}: {video} {start:g}-{end:g}"


@table_rule(
    "A026", "warning", "duration is not end minus start", why="slt ignores it; --fix computes it"
)
def durations_right(checked: CheckedTable) -> Iterator[str]:
    """The duration column agrees with start and end."""
    for repair in checked.repairs:
        if repair.rule == "duration":
            yield f"line {repair.line}: {repair.before!r} is {repair.after}"


@table_rule(
    "A027", "warning", "distance to a neighbour is no number",
    why="slt computes it from the times; --fix writes it where the digits confirm it",
)  # fmt: skip
def distances_readable(checked: CheckedTable) -> Iterator[str]:
    """The distance columns hold numbers or nothing."""
    for role in ("before", "after"):
        for row, cell in checked.cells(role):
            if cell and number(cell) is None:
                yield f"line {row.line}: {cell!r}"


@table_rule(
    "A028", "warning", "one video in two spellings", why="half of its clips will not find it"
)
def videos_spelled(checked: CheckedTable) -> Iterator[str]:
    """Video names stay different when case, accents and punctuation are dropped."""
    for rows in alike(checked.cells("video"), folded).values():
        names = sorted({name for _, name in rows if name})
        if len(names) > 1:
            yield ", ".join(names)


@table_rule(
    "O001", "warning", "duration far from the median",
    why="long clips are thinned and cost memory, short ones are often cut wrong",
)  # fmt: skip
def durations_usual(checked: CheckedTable) -> Iterator[str]:
    """Durations differ from the median by less than --duration-threshold."""
    yield from _standing_out(checked, "duration")


@table_rule(
    "O002", "warning", "far from the clip before or after", why="signing without text lies between"
)
def distances_usual(checked: CheckedTable) -> Iterator[str]:
    """Neighbours are at most --delta-threshold seconds away."""
    yield from _standing_out(checked, "distance")


@table_rule(
    "O003",
    "warning",
    "begins before the clip before it ends",
    why="its first signs are not its own",
)
def neighbours_apart(checked: CheckedTable) -> Iterator[str]:
    """Clips of a video do not overlap."""
    yield from _standing_out(checked, "overlap")


@table_rule("O004", "warning", "pieces of the clip overlap", why="their times are not exact")
def pieces_apart(checked: CheckedTable) -> Iterator[str]:
    """The pieces inside a clip follow each other."""
    yield from _standing_out(checked, "pieces")


@table_rule(
    "O005", "warning", "text too long or too short for its duration", why="it is of another clip"
)
def speeds_usual(checked: CheckedTable) -> Iterator[str]:
    """Texts have 1 to 30 characters per second; subtitles stay below 20."""
    yield from _standing_out(checked, "speed")


def _standing_out(checked: CheckedTable, kind: Kind) -> Iterator[str]:
    for o in checked.outliers:
        if o.kind == kind:
            yield f"line {o.line} ({o.clip_id}): {o.reason}"
