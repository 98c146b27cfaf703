from __future__ import annotations

import numpy as np
import pytest

from slt_cli.landmarks.estimators.base import FARTHEST, usable_landmarks


def test_what_is_not_a_number_or_absurd_is_missing_and_what_is_outside_stays() -> None:
    points = np.array(
        [[0.5, 0.5, 0], [np.nan, 0.5, 0], [0.5, np.inf, 0], [-0.4, 1.7, 0], [0.5, 0.5, np.nan],
         [2 * FARTHEST, 0.5, 0], [-1e30, 0.5, 0]], np.float32,
    )  # fmt: skip
    found = usable_landmarks(points, np.ones(7, np.float32), np.ones(7, bool))
    np.testing.assert_array_equal(found.valid, [1, 0, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(found.confidence, [1, 0, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(found.points[~found.valid], 0)
    np.testing.assert_allclose(found.points[3], [-0.4, 1.7, 0])
    assert found.unusable == 5
    assert (found.points.dtype, found.confidence.dtype) == (np.float32, np.float32)


def test_a_point_that_was_not_given_is_missing_but_not_unusable() -> None:
    points = np.array([[np.nan, np.nan, np.nan], [0.5, 0.5, 0]], np.float32)
    found = usable_landmarks(points, np.ones(2, np.float32), np.array([False, True]))
    assert found.unusable == 0
    np.testing.assert_array_equal(found.valid, [False, True])
    assert not found.points[0].any()


@pytest.mark.parametrize("confidence", [np.nan, np.inf])
def test_a_confidence_that_is_no_number_makes_the_point_missing(confidence: float) -> None:
    found = usable_landmarks(
        np.full((1, 3), 0.5, np.float32), np.array([confidence], np.float32), np.ones(1, bool)
    )
    assert not found.valid.any()
    assert found.unusable == 1
