from __future__ import annotations

import numpy as np

from slt_cli.data.augment import KeypointAugmentation
from slt_cli.landmarks.normalise import PUBLISHED, normalise_keypoints
from tests.landmarks.points import LAYOUT, random_clip

NONE = {"scale": (1.0, 1.0), "rotate": (0.0, 0.0), "translate": (0.0, 0.0), "resample": (1.0, 1.0)}


def points() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "body": rng.normal(size=(6, 79, 3)).astype(np.float32),
        "face": rng.normal(size=(6, 26, 3)).astype(np.float32),
        "hand_left": rng.normal(size=(6, 27, 3)).astype(np.float32),
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


def test_scale_multiplies_distances_and_a_shift_moves_what_stands_in_the_signer_s_space() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "scale": (2.0, 2.0), "translate": (0.5, 0.5)})
    out = augmentation.points(points(), np.random.default_rng(0))
    shift = {
        "body": np.full((79, 1), 0.5),
        "face": np.zeros((26, 1)),
        "hand_left": np.zeros((27, 1)),
    }
    shift["hand_left"][:6] = 0.5  # arm and head
    for name, before in points().items():
        want = 2 * before[..., :2] + shift[name]
        np.testing.assert_allclose(out[name][..., :2], want, atol=1e-5)
        np.testing.assert_array_equal(out[name][..., 2], before[..., 2])


def test_a_shift_moves_every_point_of_a_picture() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "translate": (0.5, 0.5)}, kind=PUBLISHED)
    out = augmentation.points(points(), np.random.default_rng(0))
    for name, before in points().items():
        np.testing.assert_allclose(out[name][..., :2], before[..., :2] + 0.5, atol=1e-5)


def test_augmented_streams_are_those_of_the_augmented_signer() -> None:
    """To scale, turn and shift the signer in square pixels and to normalise is the same."""
    clip = random_clip(np.random.default_rng(2))
    shoulders = [LAYOUT.index(f"POSE.{side}_SHOULDER") for side in ("LEFT", "RIGHT")]
    clip.valid[:, shoulders] = True
    clip.keypoints[:, shoulders, :2] = [(0.6, 0.5), (0.4, 0.5)]
    before = normalise_keypoints(clip)
    ranges = {"scale": (1.1, 1.1), "rotate": (20.0, 20.0), "translate": (0.3, 0.3)}
    augmentation = KeypointAugmentation(**{**NONE, **ranges})
    out = augmentation.points(
        {name: part.x for name, part in before.items()}, np.random.default_rng(0)
    )
    # In pixels: about the shoulder midpoint (320, 240), shoulders 128 px apart.
    angle = np.deg2rad(20)
    turn = 1.1 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pixels = clip.keypoints[..., :2] * clip.frame_size - (320, 240)
    moved = (pixels @ turn.T + 0.3 * 128) / 128
    for name in ("body", "hand_left", "hand_right"):
        points = LAYOUT.streams[name]
        arm = slice(0, None if name == "body" else 6)
        seen = before[name].valid[:, arm]
        want = moved[:, points][:, arm]
        np.testing.assert_allclose(out[name][:, arm, :2][seen], want[seen], atol=1e-4)
    body, hand = (out[name][..., :2] for name in ("body", "hand_left"))
    seen = before["hand_left"].valid[:, 6:].all(axis=1, keepdims=True) | (
        before["hand_left"].valid[:, 6:] & before["hand_left"].valid[:, 6:7]
    )
    relative = 2 * (body[:, 6:27] - body[:, 6:7])
    np.testing.assert_allclose(hand[:, 6:][seen], relative[seen], atol=1e-4)


def test_speed_changes_the_number_of_frames_but_keeps_the_ends() -> None:
    augmentation = KeypointAugmentation(**{**NONE, "resample": (0.5, 0.5)})
    frames = augmentation.frame_index(10, np.random.default_rng(0))
    assert len(frames) == 20
    assert (frames[0], frames[-1]) == (0, 9)
    assert (np.diff(frames) >= 0).all()


def test_one_frame_stays_one_frame() -> None:
    frames = KeypointAugmentation(**NONE).frame_index(1, np.random.default_rng(0))
    assert frames.tolist() == [0]


def masks(frames: int = 40) -> dict[str, np.ndarray]:
    return {"body": np.ones((frames, 79), bool), "face": np.ones((frames, 26), bool)}


def test_nothing_is_lost_unless_asked_and_no_number_is_drawn() -> None:
    rng, fresh = np.random.default_rng(0), np.random.default_rng(0)
    kept = KeypointAugmentation(**NONE).keep(masks(), rng)
    assert all(mask.all() for mask in kept.values())
    assert rng.random() == fresh.random()


def test_one_stretch_of_frames_is_lost_in_all_parts_alike() -> None:
    augmentation = KeypointAugmentation(**NONE, lose_frames=10)
    lengths = set()
    for seed in range(200):
        kept = augmentation.keep(masks(), np.random.default_rng(seed))
        lost = ~kept["face"][:, 0]
        for mask in kept.values():
            np.testing.assert_array_equal(mask, ~lost[:, None] & np.ones_like(mask))
        assert np.count_nonzero(np.diff(np.flatnonzero(lost)) > 1) == 0
        lengths.add(int(lost.sum()))
    assert lengths == set(range(11))


def test_a_clip_shorter_than_the_stretch_may_be_lost_whole() -> None:
    augmentation = KeypointAugmentation(**NONE, lose_frames=30)
    shares = [
        augmentation.keep(masks(5), np.random.default_rng(seed))["body"].mean() for seed in range(9)
    ]
    assert 0.0 in shares


def test_the_share_of_lost_points_is_the_one_asked_for() -> None:
    augmentation = KeypointAugmentation(**NONE, lose_points=0.2)
    kept = augmentation.keep(masks(400), np.random.default_rng(0))
    assert abs(kept["body"].mean() - 0.8) < 0.01


def test_a_point_that_was_missing_stays_missing() -> None:
    before = masks()
    before["face"][:, 3] = False
    kept = KeypointAugmentation(**NONE, lose_points=0.1, lose_frames=3).keep(
        before, np.random.default_rng(0)
    )
    assert not kept["face"][:, 3].any()
