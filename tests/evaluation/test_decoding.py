from __future__ import annotations

import pytest

from slt_cli.evaluation.decoding import gloss_text, greedy_ctc


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([0, 1, 1, 0, 1, 2, 2], [1, 1, 2]),
        ([0, 0], []),
        ([], []),
        ([3, 3, 3], [3]),
        ([1, 2, 1], [1, 2, 1]),
    ],
)
def test_greedy_ctc_merges_then_drops_blanks(path: list[int], expected: list[int]) -> None:
    assert greedy_ctc(path) == expected


def test_gloss_ids_start_at_one() -> None:
    assert gloss_text([2, 1], ["CASA", "YO"]) == "YO CASA"
