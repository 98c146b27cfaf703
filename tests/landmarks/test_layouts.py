from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.pose_tracks import read_pose_track
from slt_cli.landmarks.layouts import LAYOUTS, STREAMS, Layout, get_layout, layout_with

COUNTS = {
    "mediapipe_holistic_543": 543, "mediapipe_holistic_553": 553, "coco_wholebody_133": 133,
    "openpose_137": 137,
}  # fmt: skip
OTHER_HAND = {"hand_left": "hand_right", "hand_right": "hand_left"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_is_consistent(name: str) -> None:
    layout = get_layout(name)
    assert len(layout) == COUNTS[name] == len(set(layout.points))
    assert layout_with(len(layout)) is layout
    assert tuple(layout.streams) == STREAMS
    flip = np.array(layout.flip)
    np.testing.assert_array_equal(flip[flip], np.arange(len(layout)))
    for stream in STREAMS:
        mirrored = {layout.flip[i] for i in layout.streams[stream]}
        assert mirrored == set(layout.streams[OTHER_HAND.get(stream, stream)])
    limbs = {frozenset(limb) for limb in layout.limbs}
    assert {frozenset((layout.flip[a], layout.flip[b])) for a, b in layout.limbs} == limbs
    assert pickle.loads(pickle.dumps(layout)) is layout


@pytest.mark.parametrize("name", LAYOUTS)
def test_mirror_exchanges_the_sides(name: str) -> None:
    layout = get_layout(name)
    left, right = layout.index("POSE.LEFT_ELBOW"), layout.index("POSE.RIGHT_ELBOW")
    assert layout.flip[left] == right
    assert layout.flip[layout.index("LEFT_HAND.PINKY_TIP")] == layout.index("RIGHT_HAND.PINKY_TIP")
    assert layout.flip[layout.index("POSE.NOSE")] == layout.index("POSE.NOSE")


def test_order_is_that_of_the_estimators() -> None:
    from mediapipe.python.solutions.hands import HandLandmark
    from mediapipe.python.solutions.pose import PoseLandmark

    layout = get_layout("mediapipe_holistic_543")
    assert layout.points[:33] == tuple(f"POSE.{point.name}" for point in PoseLandmark)
    for start, side in ((501, "LEFT_HAND"), (522, "RIGHT_HAND")):
        names = tuple(f"{side}.{point.name}" for point in HandLandmark)
        assert layout.points[start : start + 21] == names
    assert layout.index("FACE.0") == 33


def test_face_mirror_agrees_with_the_mesh_and_with_named_regions() -> None:
    """MediaPipe's own lists of eye, brow and iris edges; the mesh is symmetric but for 3 quads."""
    from mediapipe.python.solutions import face_mesh_connections as mesh

    layout = get_layout("mediapipe_holistic_553")
    face = layout.index("FACE.0")
    flip = [layout.flip[face + i] - face for i in range(478)]
    for region in ("EYE", "EYEBROW", "IRIS"):
        left = {i for edge in getattr(mesh, f"FACEMESH_LEFT_{region}") for i in edge}
        right = {i for edge in getattr(mesh, f"FACEMESH_RIGHT_{region}") for i in edge}
        assert {flip[i] for i in left} == right
    edges = {frozenset(edge) for edge in mesh.FACEMESH_TESSELATION}
    mirrored = {frozenset((flip[a], flip[b])) for a, b in map(tuple, edges)}
    assert len(edges - mirrored) == 6


def test_streams_of_coco_wholebody_are_those_of_the_published_configuration() -> None:
    left = (0, 1, 3, 5, 7, 9, *range(91, 112))
    right = (0, 2, 4, 6, 8, 10, *range(112, 133))
    face = (
        23, 26, 29, 33, 36, 39, 41, 43, 46, 48, 53, 56, 59, 62, 65, 68,
        71, 72, 73, 74, 75, 76, 77, 79, 80, 81,
    )  # fmt: skip
    assert get_layout("coco_wholebody_133").streams == {
        "body": (*left, *right[1:], *face), "face": face, "hand_left": left, "hand_right": right,
    }  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_streams_name_the_same_points_in_every_layout(name: str) -> None:
    layout = get_layout(name)
    counts = {stream: len(points) for stream, points in layout.streams.items()}
    assert counts == {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}
    reference = get_layout("coco_wholebody_133")
    for stream in ("hand_left", "hand_right"):
        names = [layout.points[i] for i in layout.streams[stream]]
        assert names == [reference.points[i] for i in reference.streams[stream]]
    assert all(layout.points[i].startswith("FACE.") for i in layout.streams["face"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mirror_permutes_the_face_stream_in_every_layout_alike(name: str) -> None:
    assert _mirrored_places(get_layout(name)) == _mirrored_places(get_layout("coco_wholebody_133"))


def _mirrored_places(layout: Layout) -> list[int]:
    face = layout.streams["face"]
    return [face.index(layout.flip[point]) for point in face]


@pytest.mark.real
def test_the_face_stream_of_the_mesh_lies_where_its_names_say(real_data: Path) -> None:
    """Above and below, left and right, on the mean faces of real clips; the picture is seen from
    the front, so that the signer's right is at the left of it."""
    x, y = _mesh_stream(real_data).transpose(2, 0, 1)
    jaw, brows, nose, eyes = range(6), range(6, 10), (10, 11), range(12, 16)
    mouth, upper, lower = (16, 22), range(17, 22), range(23, 26)
    corners_and_lower = (22, *lower, 16)
    for left_to_right in (jaw, brows, eyes, mouth, upper, lower[::-1], corners_and_lower[::-1]):
        assert (np.diff(x[:, left_to_right]) > 0).all(axis=1).mean() > 0.9
    for above, below in (
        (brows, eyes), (eyes, nose), (nose[:1], nose[1:]), (nose[1:], upper), (upper, lower),
        (lower, (2, 3)), ((0, 5), (1, 4)), ((1, 4), (2, 3)), ((0, 5), nose),
    ):  # fmt: skip
        assert (y[:, above].max(axis=1) < y[:, below].min(axis=1)).mean() > 0.9


@pytest.mark.real
def test_the_face_streams_of_two_estimators_lie_on_one_another(real_data: Path) -> None:
    """OpenPose's face laid on MediaPipe's by eyes, mouth and base of the nose: the others follow.

    Jaw and brows took no part in the fit. They are within an eighth of the distance between the
    eyes' outer corners, less than the distance to the next mesh point that could be meant.
    """
    folder = real_data / "pose_format_tests"
    track = read_pose_track(folder / "openpose.pose")
    points = list(get_layout("openpose_137").streams["face"])
    seen = track.valid[:, points].all(axis=1)
    ibug = _mean_shape((track.points[seen][:, points, :2] * track.frame_size)[None])[0]
    mesh = _mesh_stream(real_data).mean(axis=0)
    fitted = [11, *range(12, 17), 19, 22, 24]
    plane = np.c_[ibug, np.ones(26)]
    laid = plane @ np.linalg.lstsq(plane[fitted], mesh[fitted], rcond=None)[0]
    off = np.linalg.norm(laid - mesh, axis=1) / np.linalg.norm(mesh[12] - mesh[15])
    assert off.max() < 0.125
    assert off[[6, 7, 8, 9, 10]].max() < 0.06


def _mesh_stream(real_data: Path) -> np.ndarray:
    """Mean face streams (clips, 26, 2) of every fifth clip, each face of unit size."""
    points = list(get_layout("mediapipe_holistic_553").streams["face"])
    with np.load(real_data / "fingerspelling_pose" / "fingerspelling.npz") as file:
        clips = range(0, sum(name.endswith("/xyz") for name in file.files), 5)
        found = [
            file[f"{i}/xyz"][:, points, :2][(file[f"{i}/conf"][:, points] > 0).all(axis=1)]
            for i in clips
        ]
    return _mean_shape([face.astype(np.float64) for face in found if len(face)])


def _mean_shape(clips: Iterable[np.ndarray]) -> np.ndarray:
    """Mean of the faces (T, 26, 2) of every clip, centred and of unit size."""
    shapes = []
    for faces in clips:
        centred = faces - faces.mean(axis=1, keepdims=True)
        shapes.append((centred / np.linalg.norm(centred, axis=(1, 2), keepdims=True)).mean(axis=0))
    return np.stack(shapes)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(InputError, match="mediapipe_holistic_543"):
        get_layout("mediapipe_holistic_453")
    with pytest.raises(InputError, match=r"POSE\.LEFT_WRIST"):
        get_layout("openpose_137").index("POSE.LEFT_WRITS")
