"""How clips are divided into pieces of work.

A piece depends on the video and the clips asked for, never on the number of workers: the same
command gives the same files however many processes it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONG_S = 20.0
"""A clip up to this long is one piece; a longer one becomes two or more."""
PIECE_S = 60.0
"""The longest piece of a divided clip."""
WARM_UP_S = 0.4
"""What a tracker sees before a piece that does not begin its clip, to be in step again."""
_GROUP_S = 60.0  # clips cut out of one video are decoded together until their time adds up to this


@dataclass(frozen=True)
class ClipSpan:
    """A clip and the part of its video that it covers; None is the video's own start or end."""

    video_id: str
    start_s: float | None = None
    end_s: float | None = None

    @property
    def span(self) -> list[float | None] | None:
        """Start and end as plain values, None for a whole video."""
        return None if self.start_s is None and self.end_s is None else [self.start_s, self.end_s]


@dataclass(frozen=True)
class Piece:
    """Part `number` of `total` of a clip: frames with start_s <= time < end_s."""

    clip: ClipSpan
    number: int
    total: int
    start_s: float | None
    end_s: float | None

    @property
    def decode_from_s(self) -> float | None:
        """Where decoding begins: before the start when the clip goes on from another piece."""
        if self.start_s is None or not self.number:
            return self.start_s
        return max(0.0, self.start_s - WARM_UP_S)

    def covers(self, time_s: float) -> bool:
        """Whether the estimator is to see the frame at this time, warming up included."""
        start, end = self.decode_from_s, self.end_s
        return (start is None or time_s >= start) and (end is None or time_s < end)


def divide(clips: Sequence[ClipSpan], duration_s: float | None) -> list[tuple[Piece, ...]]:
    """Pieces in groups that one worker decodes in one go, in order of time.

    A long clip gives an even number of equal pieces, so that two workers end together; each is a
    group of its own. Short clips of one video share a group.
    """
    groups: list[list[Piece]] = []
    filled = math.inf
    for clip in sorted(clips, key=lambda clip: (clip.start_s or 0.0, clip.end_s or math.inf)):
        pieces = _pieces(clip, duration_s)
        length = _length(clip, duration_s)
        if len(pieces) > 1:
            groups += [[piece] for piece in pieces]
            filled = math.inf
        elif filled + length > _GROUP_S:
            groups.append(pieces)
            filled = length
        else:
            groups[-1] += pieces
            filled += length
    return [tuple(group) for group in groups]


def _length(clip: ClipSpan, duration_s: float | None) -> float:
    end_s = clip.end_s if clip.end_s is not None else duration_s
    return max(0.0, (end_s or 0.0) - (clip.start_s or 0.0))


def _pieces(clip: ClipSpan, duration_s: float | None) -> list[Piece]:
    length = _length(clip, duration_s)
    total = 1 if length <= LONG_S else 2 * math.ceil(length / (2 * PIECE_S))
    begin = clip.start_s or 0.0
    edges = [begin + length * i / total for i in range(1, total)]
    starts, ends = [clip.start_s, *edges], [*edges, clip.end_s]
    return [
        Piece(clip, number, total, start, end)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
