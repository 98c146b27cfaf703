from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.pipelines.extraction.pieces import LONG_S, PIECE_S, ClipSpan, divide


def test_short_video_is_one_piece_without_edges() -> None:
    (group,) = divide([ClipSpan("a")], 10.0)
    (piece,) = group
    assert (piece.number, piece.total, piece.start_s, piece.end_s) == (0, 1, None, None)
    assert piece.decode_from_s is None
    assert divide([ClipSpan("a")], None) == [group]  # of unknown length


def test_long_video_becomes_an_even_number_of_equal_pieces() -> None:
    pieces = [piece for group in divide([ClipSpan("a")], 200.0) for piece in group]
    assert [(p.start_s, p.end_s) for p in pieces] == [
        (None, 50.0), (50.0, 100.0), (100.0, 150.0), (150.0, None),
    ]  # fmt: skip
    assert [piece.total for piece in pieces] == [4] * 4
    assert pieces[1].decode_from_s == pytest.approx(49.6)
    assert pieces[1].covers(49.7)
    assert not pieces[1].covers(100.0)


def test_short_clips_of_one_video_are_decoded_together_in_order() -> None:
    clips = [ClipSpan("b", 20.0, 40.0), ClipSpan("a", 0.0, 20.0), ClipSpan("c", 40.0, 60.1)]
    groups = divide(clips, 1000.0)
    assert [[p.clip.video_id for p in group] for group in groups] == [["a", "b"], ["c"], ["c"]]
    assert groups[0][0].decode_from_s == 0.0  # a clip of its own needs no warming up


@given(st.floats(0.1, 20_000), st.floats(0, 500))
def test_pieces_cover_the_clip_without_gap_or_overlap(length: float, start: float) -> None:
    clip = ClipSpan("a", start, start + length)
    pieces = [piece for group in divide([clip], start + length) for piece in group]
    assert pieces[0].start_s == start
    assert pieces[-1].end_s == start + length
    for one, next_one in pairwise(pieces):
        assert one.end_s == next_one.start_s
    longest = max((p.end_s or 0) - (p.start_s or 0) for p in pieces)
    assert longest <= (LONG_S if len(pieces) == 1 else PIECE_S) + 1e-6
    assert len(pieces) == 1 or len(pieces) % 2 == 0
