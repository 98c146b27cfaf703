from __future__ import annotations

import pickle

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import LAYOUTS, STREAMS, get_layout, layout_with

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
    assert layout.flip[layout.face_nose] == layout.face_nose


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


def test_body_stream_is_the_upper_body() -> None:
    layout = get_layout("mediapipe_holistic_543")
    names = {layout.points[i].removeprefix("POSE.") for i in layout.streams["body"]}
    assert {"LEFT_WRIST", "RIGHT_SHOULDER", "NOSE", "MOUTH_LEFT"} <= names
    assert not any(part in name for name in names for part in ("HIP", "KNEE", "FOOT"))
    assert 26 <= len(layout.streams["face"]) <= 40


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(InputError, match="mediapipe_holistic_543"):
        get_layout("mediapipe_holistic_453")
    with pytest.raises(InputError, match=r"POSE\.LEFT_WRIST"):
        get_layout("openpose_137").index("POSE.LEFT_WRITS")
