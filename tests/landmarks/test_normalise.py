from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import LAYOUTS, STREAMS, get_layout
from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, normalise_keypoints, standing
from tests.landmarks.points import BODY, LAYOUT, Clip, frame, hand, random_clip


def clip_of(*frames: dict[str, tuple[float, float]], size: tuple[int, int] = (200, 100)) -> Clip:
    made = [frame(points) for points in frames]
    keypoints = np.stack([np.c_[f.points[:, :2], f.confidence] for f in made])
    return Clip(keypoints.astype(np.float32), np.stack([f.valid for f in made]), size)


def test_values_by_hand() -> None:
    """200 x 100 px: shoulders 40 px apart around (100, 40); the left wrist is at (140, 70)."""
    streams = normalise_keypoints(clip_of({**BODY, **hand("LEFT", (0.7, 0.7), size=0.1)}))
    names = [LAYOUT.points[i] for i in LAYOUT.streams["body"]]
    body, wrist = streams["body"], names.index("POSE.LEFT_WRIST")
    np.testing.assert_allclose(body.x[0, wrist], [1.0, 0.75, 1.0], atol=1e-6)
    assert body.valid[0].sum() == 5 + 21
    assert not body.x[0, ~body.valid[0]].any()
    # The fifth point lies 20 px right of the wrist: half a shoulder width, times the gain of 2 in
    # the hand's own stream; in the body it stands at (160, 70).
    left = streams["hand_left"]
    np.testing.assert_allclose(left.x[0, 6 + 4], [1.0, 0.0, 1.0], atol=1e-5)
    np.testing.assert_array_equal(left.x[0, 6, :2], [0, 0])
    np.testing.assert_allclose(body.x[0, 6 + 4], [1.5, 0.75, 1.0], atol=1e-6)
    # Arm and head points of a hand's stream are those of the body.
    np.testing.assert_allclose(left.x[0, 3], [0.5, 0.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(left.x[:, :6], body.x[:, :6])
    right = streams["hand_right"]
    assert right.valid[0].nonzero()[0].tolist() == [0, 3, 5]
    assert not right.x[:, 6:].any()


def test_one_bad_frame_does_not_change_the_unit() -> None:
    odd = BODY | {"POSE.LEFT_SHOULDER": (0.95, 0.1)}
    good = normalise_keypoints(clip_of(BODY, BODY, BODY))["body"].x[0]
    np.testing.assert_allclose(normalise_keypoints(clip_of(BODY, odd, BODY))["body"].x[0], good)


def test_leaning_of_the_body_is_seen() -> None:
    leaning = {name: (x + 0.1, y) for name, (x, y) in BODY.items()}
    x = normalise_keypoints(clip_of(BODY, BODY, leaning))["body"].x
    moved = x[2, 5, 0] - x[0, 5, 0]
    assert moved == pytest.approx(0.5, abs=1e-5)  # 20 px of 40


def test_without_shoulders_the_face_gives_the_unit() -> None:
    """Points in arm's proportion: the result agrees with that of the shoulders within 15 %."""
    rng = np.random.default_rng(0)
    face = {f"FACE.{i}": (0.5 + 0.03 * rng.normal(), 0.2) for i in range(468)}
    face |= {"FACE.10": (0.5, 0.1), "FACE.152": (0.5, 0.1 + 0.4 / 1.9), "FACE.4": (0.48, 0.21)}
    whole = clip_of({**BODY, **face})
    only_face = clip_of(face)
    a, b = (normalise_keypoints(c)["face"].x for c in (whole, only_face))
    np.testing.assert_allclose(a, b, rtol=0.15, atol=1e-6)


def test_nothing_seen_is_all_zero() -> None:
    for stream in normalise_keypoints(clip_of({}, {})).values():
        assert stream.x.dtype == np.float32
        assert not stream.x.any()
        assert not stream.valid.any()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.3, 3.0),
    st.integers(1, 6),
)  # fmt: skip
def test_place_size_and_resolution_do_not_matter(
    seed: int, dx: float, dy: float, scale: float, finer: int
) -> None:
    clip = random_clip(np.random.default_rng(seed))
    moved = clip.keypoints.astype(np.float64)
    moved[..., :2] = scale * moved[..., :2] + [dx, dy]
    width, height = clip.frame_size
    other = Clip(moved, clip.valid, (width * finer, height * finer))
    for name, stream in normalise_keypoints(clip).items():
        same = normalise_keypoints(other)[name]
        np.testing.assert_allclose(same.x, stream.x, atol=2e-4)
        np.testing.assert_array_equal(same.valid, stream.valid)


def test_wider_picture_of_the_same_scene_gives_the_same() -> None:
    """A black border changes the aspect ratio and every relative coordinate, but no pixel."""
    clip = random_clip(np.random.default_rng(3))
    wide = clip.keypoints.copy()
    wide[..., 0] = (wide[..., 0] * 640 + 100) / 840
    other = normalise_keypoints(Clip(wide, clip.valid, (840, 480)))
    for name, stream in normalise_keypoints(clip).items():
        np.testing.assert_allclose(other[name].x, stream.x, atol=2e-4)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_every_stream(name: str) -> None:
    layout, rng = get_layout(name), np.random.default_rng(1)
    keypoints = rng.random((4, len(layout), 3)).astype(np.float32)
    clip = Clip(keypoints, np.ones((4, len(layout)), bool), (320, 240), name)
    for kind in (SIGNER, PUBLISHED):
        streams = normalise_keypoints(clip, kind)
        assert tuple(streams) == STREAMS
        for stream, part in streams.items():
            assert part.x.shape == (4, len(layout.streams[stream]), 3)
            assert part.x.dtype == np.float32
            assert np.isfinite(part.x).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_wrists_and_the_tip_of_the_nose_are_the_roots_of_every_layout(name: str) -> None:
    layout, rng = get_layout(name), np.random.default_rng(1)
    keypoints = rng.random((4, len(layout), 3)).astype(np.float32)
    clip = Clip(keypoints, np.ones((4, len(layout)), bool), (320, 240), name)
    tip = {"mediapipe": "FACE.4", "coco": "FACE.30", "openpose": "FACE.30"}[name.split("_")[0]]
    for stream, root in (
        ("hand_left", "LEFT_HAND.WRIST"), ("hand_right", "RIGHT_HAND.WRIST"), ("face", tip),
    ):  # fmt: skip
        place = layout.streams[stream].index(layout.index(root))
        x = normalise_keypoints(clip)[stream].x
        assert not x[:, place, :2].any()
        others = np.delete(np.arange(6 if stream != "face" else 0, x.shape[1]), place)
        assert x[:, others, :2].any()
        assert standing(stream, SIGNER) == slice(0, 0 if stream == "face" else 6)


def test_a_hand_without_its_wrist_is_placed_around_its_mean() -> None:
    clip = clip_of({**BODY, **hand("LEFT", (0.7, 0.7), size=0.1)})
    wrist = LAYOUT.index("LEFT_HAND.WRIST")
    clip.valid[:, wrist] = False
    clip.keypoints[:, wrist] = 0
    x = normalise_keypoints(clip)["hand_left"].x
    np.testing.assert_allclose(x[0, 7:, :2].mean(axis=0), 0, atol=1e-6)
    assert not x[0, 6].any()


def test_published_values_by_hand() -> None:
    streams = normalise_keypoints(clip_of(BODY | {"POSE.LEFT_EYE": (1.25, -0.5)}), PUBLISHED)
    body = streams["body"]
    np.testing.assert_allclose(body.x[0, 0], [0.0, 0.6, 1.0], atol=1e-6)  # nose at (0.5, 0.2)
    np.testing.assert_allclose(body.x[0, 1], [1.5, 2.0, 1.0], atol=1e-6)  # outside the picture
    np.testing.assert_array_equal(body.x[0, ~body.valid[0]] - [-1, 1, 0], 0)
    for stream in STREAMS:
        places = [LAYOUT.streams["body"].index(i) for i in LAYOUT.streams[stream]]
        np.testing.assert_array_equal(streams[stream].x, body.x[:, places])
        assert standing(stream, PUBLISHED) == slice(0, None)


def test_any_other_kind_is_refused() -> None:
    with pytest.raises(InputError, match="'median_shoulders_v1'"):
        normalise_keypoints(clip_of(BODY), "median_shoulders_v1")


def test_without_center_the_middle_of_the_picture_is_the_origin() -> None:
    """200 x 100 px, shoulders 40 px apart around (100, 40): 10 px above the middle."""
    clip = clip_of({**BODY, **hand("LEFT", (0.7, 0.7), size=0.1)})
    inside, placed = normalise_keypoints(clip), normalise_keypoints(clip, center=False)
    seen = inside["body"].valid
    moved = (placed["body"].x - inside["body"].x)[seen]
    np.testing.assert_allclose(moved, np.broadcast_to([0, -0.25, 0], moved.shape), atol=1e-6)
    assert not placed["body"].x[~seen].any()
    # What hangs on a wrist or the nose does not know where the signer stands.
    for part, own in (("hand_left", 6), ("hand_right", 6), ("face", 0)):
        np.testing.assert_allclose(placed[part].x[:, own:], inside[part].x[:, own:], atol=1e-6)
        np.testing.assert_array_equal(placed[part].valid, inside[part].valid)


def test_without_center_the_place_of_the_signer_is_seen_and_its_size_is_not() -> None:
    at = {
        name: (0.5 + 0.5 * (x - 0.5) + 0.2, 0.5 + 0.5 * (y - 0.5)) for name, (x, y) in BODY.items()
    }
    near, far = (normalise_keypoints(clip_of(p), center=False)["body"] for p in (BODY, at))
    # Half the size about the middle changes nothing; then 40 px of 20 px shoulders to the right.
    moved = (far.x - near.x)[near.valid]
    np.testing.assert_allclose(moved, np.broadcast_to([2, 0, 0], moved.shape), atol=1e-5)


def test_published_points_have_their_place_in_the_picture_anyway() -> None:
    clip = clip_of(BODY)
    for name, part in normalise_keypoints(clip, PUBLISHED).items():
        np.testing.assert_array_equal(
            normalise_keypoints(clip, PUBLISHED, center=False)[name].x, part.x
        )
