"""Clip files and bare arrays."""

import json
from fractions import Fraction

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats import read_tracks
from slt_cli.landmarks.layouts import LAYOUTS, get_layout


def read(path, **known):
    ((name, track),) = read_tracks(path, **known)
    assert name == path.stem
    return track


def saved(path, array):
    np.save(path, array)
    return path


def fractions(frames=4, points=133, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 1, (frames, points, channels))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_is_told_by_the_number_of_points(tmp_path, name):
    track = read(saved(tmp_path / "a.npy", fractions(points=len(get_layout(name)))))
    assert track.layout == name


def test_three_channels_are_x_y_and_confidence(tmp_path):
    array = fractions().astype(np.float32)
    array[1, 2, 2] = 0
    array[1, 3, 0] = np.nan
    array[1, 4, :2] = 0
    track = read(saved(tmp_path / "a.npy", array))
    expected = np.ones((4, 133), bool)
    expected[1, 2:5] = False
    np.testing.assert_array_equal(track.valid, expected)
    np.testing.assert_array_equal(track.points[expected][:, :2], array[expected][:, :2])
    np.testing.assert_array_equal(track.confidence[expected], array[expected][:, 2])
    assert not track.points[..., 2].any()
    assert (track.frame_size, track.fps, track.file_format) == ((1, 1), None, ".npy")
    np.testing.assert_allclose(track.time_s, np.arange(4) / 25)


def test_two_channels_are_certain_where_they_are_not_zero(tmp_path):
    array = fractions(channels=2)
    array[0, 0] = 0
    track = read(saved(tmp_path / "a.npy", array))
    assert not track.valid[0, 0]
    assert track.valid.sum() == 4 * 133 - 1
    assert (track.confidence[track.valid] == 1).all()


def test_four_channels_have_depth_before_confidence(tmp_path):
    array = fractions(channels=4).astype(np.float32)
    track = read(saved(tmp_path / "a.npy", array))
    np.testing.assert_array_equal(track.points, array[..., :3])
    np.testing.assert_array_equal(track.confidence, array[..., 3])


def test_pixels_are_divided_by_the_known_picture_size_or_by_their_extent(tmp_path):
    array = fractions() * (320, 240, 1)
    path = saved(tmp_path / "a.npy", array)
    known = read(path, frame_size=(320, 240), fps=Fraction(15))
    np.testing.assert_allclose(known.points[..., :2], array[..., :2] / (320, 240), rtol=1e-6)
    assert (known.frame_size, known.fps, known.notes) == ((320, 240), 15, ())
    guessed = read(path)
    size = np.ceil(array[..., :2].max(axis=(0, 1)))
    np.testing.assert_allclose(guessed.points[..., :2], array[..., :2] / size, rtol=1e-6)
    assert any("picture size unknown" in note for note in guessed.notes)


def test_fractions_stay_what_they_are_when_the_picture_size_is_known(tmp_path):
    array = fractions().astype(np.float32)
    track = read(saved(tmp_path / "a.npy", array), frame_size=(320, 240))
    np.testing.assert_array_equal(track.points[..., :2], array[..., :2])
    assert track.frame_size == (320, 240)


@pytest.mark.parametrize("name", ["keypoints", "whatever"])
def test_an_npz_of_one_array(tmp_path, name):
    array = fractions()
    np.savez(tmp_path / "a.npz", **{name: array})
    np.testing.assert_allclose(read(tmp_path / "a.npz").points[..., :2], array[..., :2], rtol=1e-6)


def test_the_array_called_keypoints_is_taken_among_several(tmp_path):
    array = fractions()
    np.savez(tmp_path / "a.npz", other=np.zeros(3), keypoints=array)
    assert len(read(tmp_path / "a.npz")) == 4


def clip_file(path, **changes):
    """A clip as this project stores it, written out by hand."""
    rng = np.random.default_rng(0)
    arrays = {
        "keypoints": rng.uniform(0, 1, (3, 543, 3)).astype(np.float32),
        "z": rng.normal(size=(3, 543)).astype(np.float32),
        "valid": rng.random((3, 543)) < 0.9,
        "time_s": np.array([0.1, 0.15, 0.3]),
        "crop_box": np.zeros((3, 3, 4), np.int32),
        "crop_source": np.ones((3, 3), np.uint8),
        "layout": np.array("mediapipe_holistic_543"),
        "frame_size": np.array([640, 480], np.int32),
        "fps": np.array([30000, 1001]),
        "source": np.array("{}"),
        "estimator": np.array(json.dumps({"name": "mediapipe", "version": "9", "settings": {}})),
        "schema": np.array(1),
    }
    arrays["keypoints"][~arrays["valid"]] = 0
    arrays["z"][~arrays["valid"]] = 0
    arrays |= changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def test_a_clip_file_keeps_its_times_its_estimator_and_every_number(tmp_path):
    arrays = clip_file(tmp_path / "a.npz")
    track = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(track.points[..., :2], arrays["keypoints"][..., :2])
    np.testing.assert_array_equal(track.points[..., 2], arrays["z"])
    np.testing.assert_array_equal(track.confidence, arrays["keypoints"][..., 2])
    np.testing.assert_array_equal(track.valid, arrays["valid"])
    np.testing.assert_array_equal(track.time_s, arrays["time_s"])
    assert track.is_timed
    assert (track.frame_size, track.fps) == ((640, 480), Fraction(30000, 1001))
    assert track.estimator["name"] == "mediapipe"
    assert track.notes == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": np.array(2)}, "newer slt .schema 2, this one reads 1."),
        ({"valid": None}, "valid"),
        ({"layout": np.array("openpose_137")}, "wrong shape for openpose_137"),
        ({"time_s": np.zeros(2)}, "time_s: wrong shape"),
        ({"estimator": np.array("{")}, "cannot be read"),
        ({"fps": np.array([25, 0])}, "cannot be read"),
    ],
    ids=["newer", "a part", "layout", "times", "json", "fps"],
)
def test_a_clip_file_that_is_not_whole_is_refused(tmp_path, changes, message):
    clip_file(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(4, 100, 3), (133, 3), (4, 133, 5), (0, 133, 3), (4, 133)])
def test_other_shapes_are_refused_with_the_layouts_that_are_known(tmp_path, shape):
    path = saved(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(InputError, match=r"133 \(coco_wholebody_133\)") as caught:
        read(path)
    assert str(shape) in caught.value.message


def test_a_collection_of_many_arrays_is_no_clip(tmp_path):
    np.savez(tmp_path / "many.npz", **{f"{i}/xyz": fractions() for i in range(7)})
    with pytest.raises(InputError, match=r"expected an array `keypoints`, found 0/.* 2 more"):
        read(tmp_path / "many.npz")


def test_python_objects_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects; nothing in it was executed"):
        read(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("end", [0, 5, 100, -40])
def test_a_cut_file_is_refused(tmp_path, name, end):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savez)(path, fractions())
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InputError):
        read(path)
