"""OpenPose's folders of one JSON file per frame."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats import is_landmark_source, read_tracks
from slt_cli.landmarks.layouts import get_layout

LAYOUT = get_layout("openpose_137")
COUNTS = {
    "pose_keypoints_2d": 25, "face_keypoints_2d": 70,
    "hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 21,
}  # fmt: skip


def person(seed: int = 0, sure: float = 0.9, **changes: list[float]) -> dict[str, Any]:
    """Somebody between 10 and 200 pixels; every point seen with the confidence `sure`."""
    rng = np.random.default_rng(seed)
    parts = {}
    for key, count in COUNTS.items():
        points = np.column_stack([rng.uniform(10, 200, (count, 2)), np.full(count, sure)])
        parts[key] = points.ravel().tolist()
    return {"person_id": [-1], **parts, "pose_keypoints_3d": [], **changes}


def write(folder: Path, frames: dict[int, list[dict[str, Any]]], clip: str = "clip_a") -> Path:
    folder.mkdir(exist_ok=True)
    for number, people in frames.items():
        path = folder / f"{clip}_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def read(folder: Path, **known: Any):
    ((name, track),) = read_tracks(folder, **known)
    return name, track


def test_points_stand_in_the_order_of_the_layout(tmp_path):
    somebody = person()
    folder = write(tmp_path / "f", {0: [somebody], 1: [somebody]})
    assert is_landmark_source(folder)
    name, track = read(folder, frame_size=(400, 200), fps=Fraction(30))
    assert (name, track.layout, track.frame_size, track.fps) == (
        "clip_a", "openpose_137", (400, 200), 30,
    )  # fmt: skip
    numbers = np.concatenate([somebody[key] for key in COUNTS]).reshape(137, 3)
    np.testing.assert_allclose(track.points[1, :, :2] * (400, 200), numbers[:, :2], rtol=1e-6)
    np.testing.assert_allclose(track.confidence[1], 0.9)
    assert not track.points[..., 2].any()
    assert track.valid.all()
    nose, wrist = LAYOUT.index("POSE.NOSE"), LAYOUT.index("RIGHT_HAND.WRIST")
    assert track.points[0, nose, 0] == pytest.approx(somebody["pose_keypoints_2d"][0] / 400)
    assert track.points[0, wrist, 1] == pytest.approx(somebody["hand_right_keypoints_2d"][1] / 200)
    assert (track.notes, track.member) == ((), "")


def test_without_a_picture_size_the_furthest_point_is_its_edge(tmp_path):
    body = [0.0] * 75
    body[0:3], body[3:6], body[6:9] = [100.2, 50, 1], [30, 199.5, 1], [900, 900, 0]
    somebody = person(sure=0, pose_keypoints_2d=body)
    _, track = read(write(tmp_path / "f", {0: [somebody]}))
    assert track.frame_size == (101, 200)
    assert track.valid.sum() == 2
    assert "picture size unknown: 101 x 200 reaches to every point" in track.notes
    assert any("25 frames per second assumed" in note for note in track.notes)


def test_frames_without_a_file_or_a_person_are_missing(tmp_path):
    folder = write(tmp_path / "f", {3: [person()], 4: [], 7: [person(1)]})
    _, track = read(folder)
    assert track.valid.any(axis=1).tolist() == [True, False, False, False, True]
    assert "2 of 5 frames have no file and are missing" in track.notes
    assert not track.points[1:4].any()


def test_of_several_people_the_most_confident_of_each_frame_is_kept(tmp_path):
    folder = write(
        tmp_path / "f",
        {0: [person(1, 0.4), person(2, 0.8)], 1: [person(2, 0.8), person(1, 0.4)], 2: [person(2)]},
    )
    _, track = read(folder)
    np.testing.assert_array_equal(track.points[0], track.points[1])
    np.testing.assert_array_equal(track.points[0], track.points[2])
    assert "several people in 2 frames: the most confident of each was kept" in track.notes


def test_parts_that_were_not_looked_for_are_missing(tmp_path):
    somebody = person(face_keypoints_2d=[], hand_left_keypoints_2d=[])
    del somebody["hand_right_keypoints_2d"]
    _, track = read(write(tmp_path / "f", {0: [somebody]}))
    assert track.valid[0].sum() == 25


def test_the_older_model_of_18_points_is_mapped_by_name(tmp_path):
    """COCO order: nose, neck, right arm, left arm, right leg, left leg, eyes, ears."""
    numbers = [float(i) for i in range(1, 55)]
    somebody = {"pose_keypoints": numbers}  # the key's older name, too
    _, track = read(write(tmp_path / "f", {0: [somebody]}), frame_size=(1, 1))
    for name, place in {
        "NOSE": 0, "NECK": 1, "RIGHT_SHOULDER": 2, "LEFT_WRIST": 7, "RIGHT_HIP": 8, "LEFT_HIP": 11,
        "RIGHT_EYE": 14, "LEFT_EYE": 15, "RIGHT_EAR": 16, "LEFT_EAR": 17,
    }.items():  # fmt: skip
        point = track.points[0, LAYOUT.index(f"POSE.{name}")]
        assert point[:2].tolist() == [3 * place + 1, 3 * place + 2]
    assert not track.valid[0, LAYOUT.index("POSE.MID_HIP")]


def test_a_folder_may_hold_several_clips(tmp_path):
    folder = write(tmp_path / "f", {0: [person(1)]}, "a")
    write(folder, {0: [person(2)], 1: [person(2)]}, "b")
    tracks = dict(read_tracks(folder))
    assert {name: len(track) for name, track in tracks.items()} == {"a": 1, "b": 2}
    assert [track.member for track in tracks.values()] == ["a", "b"]


def test_files_without_a_clip_name_take_that_of_the_folder(tmp_path):
    folder = write(tmp_path / "sentence-7", {0: [person()]})
    next(folder.iterdir()).rename(folder / "000000000000_keypoints.json")
    assert read(folder)[0] == "sentence-7"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a file of OpenPose"),
        ("{", "not a file of OpenPose"),
        ("[]", "not a file of OpenPose"),
        ('{"people": 3}', "not a file of OpenPose"),
        ('{"people": [3]}', "people are no objects"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "75 or 54 numbers expected, 3 found"),
        (json.dumps({"people": [{"hand_left_keypoints_2d": ["x"] * 63}]}), "not numbers"),
        ("[" * 100_000, "not a file of OpenPose"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    folder = write(tmp_path / "f", {0: [person()]})
    bad = folder / "clip_a_000000000001_keypoints.json"
    bad.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read(folder)
    assert caught.value.where == str(bad)


def test_numbers_that_are_no_numbers_are_missing(tmp_path):
    body = person()["pose_keypoints_2d"]
    body[0], body[4], body[8] = float("nan"), float("inf"), float("nan")
    _, track = read(write(tmp_path / "f", {0: [person(pose_keypoints_2d=body)]}))
    assert not track.valid[0, :3].any()
    assert track.valid[0, 3:].all()
    assert np.isfinite(track.points).all()


def test_file_numbers_must_be_those_of_frames(tmp_path):
    folder = write(tmp_path / "f", {0: [person()], 10**9: [person()]})
    with pytest.raises(InputError, match="those are no frames"):
        read(folder)
    (folder / "clip_x_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match="does not tell the frame"):
        read(folder)


def test_a_folder_without_such_files(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    assert not is_landmark_source(tmp_path)
    with pytest.raises(InputError, match="holds no landmarks"):
        read(tmp_path)
