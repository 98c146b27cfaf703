"""Real `.pose` files of three versions and four layouts."""

from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats import is_landmark_source, read_tracks
from slt_cli.landmarks.formats.pose_file import parse_pose, pose_bytes
from slt_cli.landmarks.formats.pose_tracks import pose_of, read_pose_track
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.normalise import normalise_keypoints
from slt_cli.landmarks.signing_space import signing_space_v1

pytestmark = pytest.mark.real
M543, M553 = "mediapipe_holistic_543", "mediapipe_holistic_553"
# layout, frames, points in the file, frame size, frame rate
FILES = {
    "mediapipe": (M543, 170, 178, (1250, 1250), 24),
    "mediapipe_long": (M543, 278, 178, (1250, 1250), 24),
    "mediapipe_hand_normalized": (M543, 170, 21, (223, 229), 24),
    "mediapipe_long_hand_normalized": (M543, 278, 21, (221, 229), 24),
    "openpose": ("openpose_137", 93, 137, (1000, 1000), 24),
    "segmentation_example": (M543, 130, 543, (320, 240), 30),
    "hand_estimation/0ff215ef4f1f111e217e2cefee0adc77": (M543, 121, 543, (3264, 1836), 29.890402),
    "hand_estimation/6fb01565da31c5500d1ef2cd2906b06b": (M553, 5, 553, (640, 360), 25),
    "hand_estimation/7731febd6afbbe90f806a4434c282016": (M553, 18, 553, (640, 360), 25),
    "hand_estimation/7bd6dd48722def3cf84258b96371cb1e": (M543, 91, 543, (2688, 1512), 30.007145),
    "hand_estimation/84322c38ff23406f222641da30d0a49b": (M553, 47, 553, (640, 360), 25),
}


@pytest.fixture(params=FILES)
def name(request):
    return request.param


@pytest.fixture
def path(real_data, name) -> Path:
    return real_data / "pose_format_tests" / f"{name}.pose"


def test_every_file_is_known_here(real_data):
    folder = real_data / "pose_format_tests"
    names = {str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.pose")}
    assert names == set(FILES)


def test_each_file_is_read_into_its_layout(path, name):
    layout, frames, points, size, fps = FILES[name]
    assert is_landmark_source(path)
    ((clip, track),) = read_tracks(path)
    assert clip == Path(name).name
    assert (track.layout, len(track), track.frame_size) == (layout, frames, size)
    assert float(track.fps) == pytest.approx(fps)
    assert track.valid.any(axis=0).sum() <= points
    assert track.valid.any()
    for array in (track.points, track.confidence, track.time_s):
        assert np.isfinite(array).all()
    assert not track.points[~track.valid].any()


def test_numbers_are_found_at_their_names(real_data):
    """Some numbers of the files, read with a program that knows nothing of layouts."""
    folder = real_data / "pose_format_tests"
    track, layout = read_pose_track(folder / "mediapipe.pose"), get_layout(M543)
    pixels = track.points * (*track.frame_size, 1)
    np.testing.assert_allclose(
        pixels[0, [layout.index("POSE.LEFT_SHOULDER"), layout.index("POSE.RIGHT_SHOULDER")]],
        [[879.7185, 651.0957, 624.68604], [353.6963, 627.5555, 624.6276]], rtol=1e-6,
    )  # fmt: skip
    np.testing.assert_allclose(
        pixels[0, [layout.index("FACE.0"), layout.index("FACE.7")]],
        [[609.3426, 350.1428, 625.5431], [538.3086, 260.49185, 625.61316]], rtol=1e-6,
    )  # fmt: skip
    assert track.confidence[0, layout.index("POSE.LEFT_ELBOW")] == np.float32(0.8710001)
    assert not track.valid[:, layout.index("POSE.NOSE")].any()


def test_a_body_faces_the_camera_and_hands_hang_on_their_wrists(real_data):
    """Left is the signer's own; each hand is nearest to the wrist of its own side."""
    track = read_pose_track(real_data / "pose_format_tests" / "segmentation_example.pose")
    layout = get_layout(M543)
    at = {name: layout.index(name) for name in (
        "POSE.LEFT_SHOULDER", "POSE.RIGHT_SHOULDER", "POSE.LEFT_WRIST", "POSE.RIGHT_WRIST",
        "LEFT_HAND.WRIST", "RIGHT_HAND.WRIST",
    )}  # fmt: skip
    x = track.points[..., 0]
    assert (x[:, at["POSE.LEFT_SHOULDER"]] > x[:, at["POSE.RIGHT_SHOULDER"]]).all()
    for side, other in (("LEFT", "RIGHT"), ("RIGHT", "LEFT")):
        seen = track.valid[:, at[f"{side}_HAND.WRIST"]]
        xy = track.points[seen][..., :2] * track.frame_size
        hand = xy[:, at[f"{side}_HAND.WRIST"]]
        near = np.linalg.norm(hand - xy[:, at[f"POSE.{side}_WRIST"]], axis=1)
        far = np.linalg.norm(hand - xy[:, at[f"POSE.{other}_WRIST"]], axis=1)
        assert seen.sum() > 50
        assert (near < far).mean() > 0.95


def test_hands_in_their_own_space_are_noticed(path, name):
    notes = read_pose_track(path).notes
    assert any("the hand was normalised" in note for note in notes) == ("normalized" in name)
    assert not any("no pixels" in note for note in notes)


def test_models_can_use_them(path):
    """Normalisation for models and the older signing space both work on what was read."""
    track = read_pose_track(path)

    class Clip:
        keypoints = np.dstack([track.points[..., :2], track.confidence])
        valid, layout, frame_size = track.valid, track.layout, track.frame_size

    streams = normalise_keypoints(Clip)
    assert all(np.isfinite(stream.x).all() for stream in streams.values())
    assert any(stream.valid.any() for stream in streams.values())
    pose = signing_space_v1(Clip.keypoints, track.valid, get_layout(track.layout), 17)
    assert pose.shape == (len(track), 51)


def test_read_and_written_again_each_number_is_the_same_float(path):
    """Through the layout and back, pixels differ by the rounding of one division only."""
    before = parse_pose(path.read_bytes(), "x")
    track = read_pose_track(path)
    after = pose_of(
        track.points, track.confidence, track.valid, get_layout(track.layout), track.frame_size,
        track.fps or Fraction(25),
    )  # fmt: skip
    assert np.float32(after.fps) == np.float32(before.fps)
    assert after.size[:2] == before.size[:2]
    there = {(c.name, p): i for i, (c, p) in enumerate(_points(after))}
    compared = 0
    for i, (component, point) in enumerate(_points(before)):
        if (component.name, point) not in there:
            continue
        column = there[component.name, point]
        seen = before.confidence[:, 0, i] > 0
        dims = after.data.shape[3]
        np.testing.assert_allclose(
            after.data[seen, 0, column], before.data[seen, 0, i, :dims], rtol=2e-7
        )
        np.testing.assert_allclose(
            after.confidence[:, 0, column], np.minimum(before.confidence[:, 0, i], 1), atol=1e-6
        )
        compared += 1
    assert compared == sum(len(c.points) for c in before.components if "WORLD" not in c.name)


def test_the_bytes_survive_as_they_are(path):
    before = parse_pose(path.read_bytes(), "x")
    again = parse_pose(pose_bytes(before), "x")
    np.testing.assert_array_equal(again.data, before.data)
    np.testing.assert_array_equal(again.confidence, before.confidence)
    assert again.components == before.components
    if before.version == 0.2:
        assert pose_bytes(before) == path.read_bytes()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_cut_copy_is_refused(path, tmp_path, share):
    data = path.read_bytes()
    cut = tmp_path / "cut.pose"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError):
        read_pose_track(cut)


if find_spec("pose_format"):  # the extra `bench`; nothing else needs it

    def test_the_library_of_the_format_reads_the_same_numbers(path):
        library = import_module("pose_format")
        other, own = library.Pose.read(path.read_bytes()), parse_pose(path.read_bytes(), "x")
        np.testing.assert_array_equal(np.ma.getdata(other.body.data), own.data)
        np.testing.assert_array_equal(other.body.confidence, own.confidence)
        assert own.fps == other.body.fps
        size = other.header.dimensions
        assert own.size == (size.width, size.height, size.depth)
        for theirs, ours in zip(other.header.components, own.components, strict=True):
            assert (theirs.name, theirs.format, tuple(theirs.points)) == (
                ours.name, ours.point_format, ours.points,
            )  # fmt: skip
            assert [tuple(limb) for limb in theirs.limbs] == list(ours.limbs)
            assert np.array(theirs.colors).tolist() == [list(c) for c in ours.colours]
        written = library.Pose.read(pose_bytes(own))
        copy = BytesIO()
        written.write(copy)
        assert copy.getvalue() == pose_bytes(own)


def _points(pose):
    return [(component, point) for component in pose.components for point in component.points]
