from __future__ import annotations

import numpy as np

from slt_cli.data.augment import KeypointAugmentation

NONE = {"scale": (1.0, 1.0), "rotate": (0.0, 0.0), "translate": (0.0, 0.0), "resample": (1.0, 1.0)}


def points() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "body": rng.normal(size=(6, 4, 3)).astype(np.float32),
        "hand_left": rng.normal(size=(6, 3, 3)).astype(np.float32),
    }


def test_empty_ranges_change_nothing() -> None:
    augmentation = KeypointAugmentation(**NONE)
    rng = np.random.default_rng(1)
    out = augmentation.points(points(), rng)
    for name, array in points().items():
        np.testing.assert_allclose(out[name], array, atol=1e-6)
    assert augmentation.frame_index(7, rng).tolist() == list(range(7))


def test_a_quarter_turn_moves_x_to_y_and_leaves_confidence() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "rotate": (90.0, 90.0)})
    out = augmentation.points(points(), np.random.default_rng(0))["body"]
    before = points()["body"]
    np.testing.assert_allclose(out[..., 0], -before[..., 1], atol=1e-6)
    np.testing.assert_allclose(out[..., 1], before[..., 0], atol=1e-6)
    np.testing.assert_array_equal(out[..., 2], before[..., 2])


def test_scale_multiplies_distances_and_a_shift_moves_only_the_body() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "scale": (2.0, 2.0), "translate": (0.5, 0.5)})
    out = augmentation.points(points(), np.random.default_rng(0))
    np.testing.assert_allclose(
        out["hand_left"][..., :2], 2 * points()["hand_left"][..., :2], rtol=1e-6
    )
    np.testing.assert_allclose(out["body"][..., :2], 2 * points()["body"][..., :2] + 0.5, rtol=1e-5)


def test_speed_changes_the_number_of_frames_but_keeps_the_ends() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "resample": (0.5, 0.5)})
    frames = augmentation.frame_index(10, np.random.default_rng(0))
    assert len(frames) == 20
    assert (frames[0], frames[-1]) == (0, 9)
    assert (np.diff(frames) >= 0).all()


def test_one_frame_stays_one_frame() -> None:
    frames = KeypointAugmentation(**NONE).frame_index(1, np.random.default_rng(0))
    assert frames.tolist() == [0]
