from __future__ import annotations

import pytest

from slt_cli.training.teacher_forcing import TeacherForcing


def test_the_ratio_shrinks_by_the_factor_and_stops_at_the_least() -> None:
    forcing = TeacherForcing(start=1.0, least=0.3, decay=0.5)
    assert [forcing.ratio(epoch) for epoch in range(4)] == [1.0, 0.5, 0.3, 0.3]


def test_the_values_of_the_guide() -> None:
    forcing = TeacherForcing(start=1.0, least=0.4, decay=0.92)
    ratios = [forcing.ratio(epoch) for epoch in (1, 2, 10, 11, 100)]
    assert ratios == pytest.approx([0.92, 0.8464, 0.434388, 0.4, 0.4], rel=1e-5)


def test_by_default_only_true_words_are_read() -> None:
    assert {TeacherForcing().ratio(epoch) for epoch in range(50)} == {1.0}
