"""From `.pose` files to landmarks and back."""

from fractions import Fraction

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.pose_file import parse_pose, pose_bytes
from slt_cli.landmarks.formats.pose_tracks import pose_of, read_pose_track
from slt_cli.landmarks.formats.track import rational_fps
from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from tests.landmarks.formats.posefile import HANDS, Component, Written, hands

LAYOUT = get_layout("mediapipe_holistic_543")
LEFT = list(LAYOUT.component("LEFT_HAND"))
RIGHT = list(LAYOUT.component("RIGHT_HAND"))


@pytest.fixture
def read(tmp_path):
    """Write a file and read it as a track."""

    def _read(written: Written, version=Written.v0_2):
        path = tmp_path / "clip.pose"
        path.write_bytes(version(written))
        return read_pose_track(path)

    return _read


def test_pixels_become_fractions_of_the_picture_and_depth_stays(read):
    written = hands(frames=3, size=(640, 480, 640), fps=30)
    track = read(written)
    assert (track.layout, track.frame_size, track.fps) == (LAYOUT.name, (640, 480), 30)
    np.testing.assert_allclose(
        track.points[:, LEFT + RIGHT], written.data[:, 0] / [640, 480, 1], rtol=1e-6
    )
    np.testing.assert_array_equal(track.confidence[:, LEFT + RIGHT], written.confidence[:, 0])
    assert track.valid[:, LEFT + RIGHT].all()
    assert track.valid.sum() == 3 * 42
    np.testing.assert_allclose(track.time_s, [0, 1 / 30, 2 / 30])
    assert not track.is_timed
    assert track.estimator == {"name": "imported", "version": ".pose 0.2", "settings": {}}
    assert track.notes == ("501 of 543 points are not in the file",)


def test_what_is_not_sure_at_all_or_no_number_is_missing(read):
    written = hands(frames=2)
    written.confidence[0, 0, 3] = 0
    written.data[0, 0, 4, 2] = np.nan
    written.data[1, 0, 5, 0] = np.inf
    written.confidence[1, 0, 6] = np.nan
    track = read(written)
    for frame, point in ((0, 3), (0, 4), (1, 5), (1, 6)):
        assert not track.valid[frame, LEFT[point]]
        assert not track.points[frame, LEFT[point]].any()
        assert track.confidence[frame, LEFT[point]] == 0
    assert track.valid.sum() == 2 * 42 - 4
    assert np.isfinite(track.points).all()
    assert np.isfinite(track.confidence).all()


def test_confidence_above_1_is_cut(read):
    written = hands(frames=1)
    written.confidence[0, 0, 7] = 1.006
    track = read(written)
    assert track.confidence.max() == 1
    assert any("confidence above 1" in note for note in track.notes)


def test_of_several_people_the_most_confident_is_kept(read):
    written = hands(frames=4, people=3)
    written.confidence[:, 1] *= 0.5
    written.confidence[:, 0] *= 0.2
    track = read(written)
    np.testing.assert_array_equal(track.confidence[:, LEFT], written.confidence[:, 2, :21])
    assert "3 people in the file: number 3, the most confident, kept" in track.notes


def test_every_axis_is_found_by_its_letter(read):
    """Kinect adds K; some files store y before x."""
    data = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 1, 4)
    written = Written(
        [Component(HANDS[0], ["WRIST"], "KYXZC")], data, np.ones((1, 1, 1)), size=(10, 20, 0)
    )
    track = read(written)
    np.testing.assert_allclose(track.points[0, LEFT[0]], [3 / 10, 2 / 20, 4])


def test_points_without_x_are_refused(read):
    written = Written([Component(HANDS[0], ["WRIST"], "ABC")], np.ones((1, 1, 1, 2)),
                      np.ones((1, 1, 1)))  # fmt: skip
    with pytest.raises(InputError, match="no X and Y"):
        read(written)


def test_no_picture_size_is_made_up_for_by_the_extent(read):
    written = hands(size=(0, 0, 0))
    track = read(written)
    width, height = np.ceil(written.data[..., :2].max(axis=(0, 1, 2)))
    assert track.frame_size == (width, height)
    assert 0.9 < track.points[..., :2].max() <= 1
    assert any("no picture size" in note for note in track.notes)


def test_old_versions_say_that_their_frame_rate_is_rounded(read):
    track = read(hands(fps=29.97), Written.v0_1)
    assert track.fps == 29
    assert any("whole frames per second" in note for note in track.notes)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 1e9])
def test_a_frame_rate_that_is_none_is_assumed_and_told(read, fps):
    track = read(hands(fps=fps))
    assert track.fps is None
    assert track.time_s[1] == 1 / 25
    assert any("25 frames per second assumed" in note for note in track.notes)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25, Fraction(25)), (30000 / 1001, Fraction(30000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)), (29.97, Fraction(2997, 100)), (0, None), (float("inf"), None),
    ],
)  # fmt: skip
def test_frame_rates_become_the_fraction_that_is_meant(fps, expected):
    assert rational_fps(float(np.float32(fps))) == expected


@pytest.mark.parametrize("seed", range(20))
def test_every_frame_rate_survives_as_float32(seed):
    fps = np.float32(np.random.default_rng(seed).uniform(1, 120))
    assert np.float32(float(rational_fps(float(fps)))) == fps


def test_a_recovered_frame_count_is_told(read):
    data = np.ones((65540, 1, 1, 2), np.float32)
    written = Written([Component("BODY", ["nose"], "XYC")], data, np.ones((65540, 1, 1)))
    track = read(written, Written.v0_1)
    assert len(track) == 65540
    assert any("overflowed: 65540 frames" in note for note in track.notes)


def test_no_frame_is_no_clip(read):
    with pytest.raises(InputError, match="no frame"):
        read(hands(frames=0))


def test_a_hand_in_its_own_space_is_recognised(read):
    written = hands(frames=5)
    written.data[:, :, 21] = written.data[0, 0, 21]
    written.confidence[:, :, :21] = 0
    assert any("the hand was normalised" in note for note in read(written).notes)
    moving = hands(frames=5)
    moving.confidence[:, :, :21] = 0
    assert not any("normalised" in note for note in read(moving).notes)


@pytest.mark.parametrize("change", [lambda d: d / 200, lambda d: d * 5 - 4000])
def test_coordinates_that_are_no_pixels_are_recognised(read, change):
    written = hands(frames=5)
    written.data = change(written.data)
    assert any("no pixels of the header's picture" in note for note in read(written).notes)


def made_landmarks(name: str, seed: int = 0):
    """Points partly outside the picture, some of them missing, some hardly confident."""
    rng = np.random.default_rng(seed)
    layout = get_layout(name)
    valid = rng.random((6, len(layout))) < 0.8
    depth = rng.normal(size=(6, len(layout), 1)) * name.startswith("mediapipe")
    points = np.concatenate([rng.uniform(-0.3, 1.4, (6, len(layout), 2)), depth], axis=2)
    confidence = rng.uniform(0, 1, (6, len(layout)))
    confidence[0, 0] = 0
    valid[0, 0] = True
    return (
        layout,
        (points * valid[..., None]).astype(np.float32),
        (confidence * valid).astype(np.float32),
        valid,
    )


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("size", [(640, 480), (720, 1280), (65535, 3)])
def test_landmarks_survive_the_way_there_and_back(tmp_path, name, size):
    layout, points, confidence, valid = made_landmarks(name)
    pose = pose_of(points, confidence, valid, layout, size, Fraction(30000, 1001))
    path = tmp_path / "x.pose"
    path.write_bytes(pose_bytes(pose))
    track = read_pose_track(path)
    assert (track.layout, track.frame_size, track.fps) == (name, size, Fraction(30000, 1001))
    np.testing.assert_array_equal(track.valid, valid)
    np.testing.assert_allclose(track.points, points, rtol=2e-7)
    np.testing.assert_allclose(track.confidence, confidence, atol=1.1e-6)
    assert track.notes == ()


def test_missing_points_are_written_as_zero_with_confidence_zero():
    layout, points, confidence, valid = made_landmarks("mediapipe_holistic_543")
    points[~valid] = 7
    pose = pose_of(points, confidence, valid, layout, (640, 480), Fraction(25))
    assert not pose.data[:, 0][~valid].any()
    assert not pose.confidence[:, 0][~valid].any()
    assert (pose.confidence[:, 0][valid] > 0).all()


def test_an_unknown_picture_size_becomes_that_of_pose_format():
    layout, points, confidence, valid = made_landmarks("openpose_137")
    pose = pose_of(points, confidence, valid, layout, (1, 1), Fraction(25))
    assert pose.size == (1000, 1000, 0)
    np.testing.assert_allclose(pose.data[:, 0], points[..., :2] * 1000, rtol=1e-6)


def test_a_written_file_read_and_written_again_is_the_same():
    layout, points, confidence, valid = made_landmarks("mediapipe_holistic_553")
    pose = pose_of(points, confidence, valid, layout, (640, 480), Fraction(25))
    assert pose_bytes(parse_pose(pose_bytes(pose), "x")) == pose_bytes(pose)
