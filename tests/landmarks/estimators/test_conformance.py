"""What every estimator promises, checked on each one in `ESTIMATORS`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from slt_cli.landmarks.estimators import ESTIMATORS
from slt_cli.landmarks.layouts import get_layout
from tests.landmarks.estimators.cases import CASES, Case, Found


def test_every_estimator_has_a_case() -> None:
    assert set(CASES) == set(ESTIMATORS)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.real if name.startswith("mediapipe") else ())
        for name in ESTIMATORS
    ],
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param](request)


@pytest.fixture(scope="module")
def found(case: Case) -> Found:
    return case.run()


def test_it_is_the_estimator_that_was_asked_for(case: Case, request: pytest.FixtureRequest) -> None:
    estimator = case.fresh(0)
    assert estimator.name == request.node.callspec.params["case"]
    assert estimator.layout == case.layout
    assert isinstance(estimator.version, str)
    assert estimator.version
    assert estimator.sees_pixels == estimator.name.startswith("mediapipe")
    assert json.loads(json.dumps(estimator.settings)) == estimator.settings
    estimator.close()


def test_arrays_have_the_shape_of_the_layout(case: Case, found: Found) -> None:
    frames, points = len(case.clips[0]), len(get_layout(case.layout))
    assert (found.points.shape, found.points.dtype) == ((frames, points, 3), np.float32)
    assert (found.confidence.shape, found.confidence.dtype) == ((frames, points), np.float32)
    assert (found.valid.shape, found.valid.dtype) == ((frames, points), np.bool_)


def test_somebody_is_seen(found: Found) -> None:
    assert found.valid.mean() > 0.5
    assert (found.confidence[found.valid] > 0).mean() > 0.9


def test_what_is_missing_is_zero_and_everything_is_a_number(found: Found) -> None:
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.confidence).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert not found.points[~found.valid].any()
    assert not found.confidence[~found.valid].any()


def test_a_clip_gives_the_same_again_whatever_was_seen_in_between(case: Case, found: Found) -> None:
    other = case.run(1)
    assert not np.array_equal(other.points, found.points)
    again = case.run()
    for name in ("points", "confidence", "valid"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_closing_twice_is_harmless(case: Case) -> None:
    estimator = case.fresh(0)
    estimator.close()
    estimator.close()


def test_frames_within_a_millisecond_are_both_answered(case: Case) -> None:
    estimator = case.fresh(0)
    rgb, time_s = case.clips[0][0]
    first, second = estimator.process(rgb, time_s), estimator.process(rgb, time_s + 0.0001)
    estimator.close()
    np.testing.assert_array_equal(first.valid, second.valid)


def test_only_what_sees_pixels_depends_on_the_picture(case: Case, found: Found) -> None:
    estimator = case.fresh(0)
    estimator.close()
    blank = case.run(change=lambda rgb: np.full_like(rgb, 128))
    if estimator.sees_pixels:
        assert not blank.valid.any()
    else:
        np.testing.assert_array_equal(blank.points, found.points)


def test_left_is_the_signers_own_left(case: Case, found: Found) -> None:
    """In the mirrored picture the signer's sides are exchanged, and so are the landmarks."""
    estimator = case.fresh(0)
    estimator.close()
    mirrored = case.run(change=lambda rgb: np.ascontiguousarray(rgb[:, ::-1]))
    if not estimator.sees_pixels:
        np.testing.assert_array_equal(mirrored.points, found.points)
        return
    layout = get_layout(case.layout)
    flip = list(layout.flip)
    back = mirrored.points[:, flip] * (-1, 1, 1) + (1, 0, 0)
    for component in ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND"):
        here = list(layout.component(component))[: 17 if component == "POSE" else None]
        both = found.valid[:, here].all(1) & mirrored.valid[:, flip][:, here].all(1)
        assert both.sum() >= 8, component
        off = np.abs(back[both][:, here] - found.points[both][:, here])[..., :2].mean()
        assert off < 0.01, component
    for own, other in (("LEFT", "RIGHT"), ("RIGHT", "LEFT")):
        names = (f"{own}_HAND.WRIST", f"POSE.{own}_WRIST", f"POSE.{other}_WRIST")
        hand, near, far = (found.points[:, layout.index(name), :2] for name in names)
        seen = found.valid[:, layout.index(names[0])]
        gap = [np.linalg.norm(hand - wrist, axis=1)[seen] for wrist in (near, far)]
        assert (gap[0] < gap[1]).mean() > 0.7, own
    left, right = (layout.index(f"POSE.{side}_SHOULDER") for side in ("LEFT", "RIGHT"))
    assert (found.points[:, left, 0] > found.points[:, right, 0]).all()  # who faces the camera
