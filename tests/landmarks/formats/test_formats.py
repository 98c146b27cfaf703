"""Which files count as landmarks, and that their content decides how they are read."""

import gzip
import pickle

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats import is_landmark_source, read_annotations, read_tracks
from slt_cli.synthetic.dataset import render_clip
from tests.landmarks.formats.posefile import hands


@pytest.fixture
def contents(tmp_path):
    """The same two-hand clip in every format that one file can have."""
    np.save(tmp_path / "array.npy", np.full((4, 133, 3), 0.5))
    np.savez(tmp_path / "arrays.npz", keypoints=np.full((4, 133, 3), 0.5))
    pickled = pickle.dumps({"clip": np.full((4, 133, 3), 0.5)})
    return {
        "pose": hands().v0_2(),
        "npy": (tmp_path / "array.npy").read_bytes(),
        "npz": (tmp_path / "arrays.npz").read_bytes(),
        "pickle": pickled,
        "gzip": gzip.compress(pickled),
    }


@pytest.mark.parametrize("suffix", [".pose", ".bin", ""])
@pytest.mark.parametrize("kind", ["pose", "npy", "npz", "pickle", "gzip"])
def test_the_content_decides_whatever_the_name(tmp_path, contents, kind, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(contents[kind])
    ((name, track),) = read_tracks(path)
    assert name == ("clip" if kind in ("pickle", "gzip") else "file")
    assert track.layout == ("mediapipe_holistic_543" if kind == "pose" else "coco_wholebody_133")
    assert len(track) == 4


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a.pose", "pose", True), ("a.POSE", "pose", True), ("a.npy", "npy", True),
        ("a.npz", "npz", True), ("a.pkl", "pickle", True), ("a.pickle", "gzip", True),
        ("a.train", "pickle", True), ("a.dev", "gzip", True), ("a.test", "gzip", True),
        ("a.gz", "gzip", True), ("a.train", "npy", False), ("a.gz", "pose", False),
        ("a.mp4", "pose", False), ("a.csv", "pickle", False), ("a.landmarks.npz", "npz", False),
    ],
)  # fmt: skip
def test_names_that_count_as_landmarks(tmp_path, contents, name, kind, expected):
    (tmp_path / name).write_bytes(contents[kind])
    assert is_landmark_source(tmp_path / name) is expected


def test_the_landmarks_beside_a_rendered_video_belong_to_it(tmp_path):
    render_clip(tmp_path / "a.mp4", ["CASA"], "ana", seed=0)
    assert [p.name for p in tmp_path.iterdir() if is_landmark_source(p)] == []
    assert len(list(tmp_path.iterdir())) >= 2


def test_only_pickles_carry_annotations(tmp_path, contents):
    for kind, data in contents.items():
        (tmp_path / "x.bin").write_bytes(data)
        assert read_annotations(tmp_path / "x.bin") == [], kind  # these have none


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pose", b"", "empty"),
        ("a.pose", b"<!doctype html><html>404</html>", "looks like HTML"),
        ("a.npz", b"\n<HTML><body>404</body></HTML>", "looks like HTML"),
        ("a.pose", b"some text that is no pose", "not a .pose file"),
        ("a.npz", b"some text that is no array", "no array file"),
        ("a.pkl", b"some text that is no pickle", "not a pickle"),
        ("a.npy", b"\x00\x00\x00\x20ftypisom", "no array file"),
    ],
)
def test_what_is_something_else_is_said_to_be(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(read_tracks(tmp_path / name))
    assert message in caught.value.message
    assert caught.value.where == str(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    assert not is_landmark_source(tmp_path / "a.train")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_tracks(tmp_path / "a.pose"))
