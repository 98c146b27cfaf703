"""Points of `.pose` headers are found by their names."""

import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.pose_file import PoseComponent
from slt_cli.landmarks.formats.pose_layouts import layout_components, map_components
from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from tests.landmarks.formats.posefile import HAND_POINTS


def component(name: str, points, point_format: str = "XYC") -> PoseComponent:
    return PoseComponent(name, point_format, tuple(map(str, points)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_components_written_for_a_layout_are_read_as_that_layout_in_order(name):
    layout = get_layout(name)
    written = layout_components(layout, with_depth=False)
    assert sum(len(c.points) for c in written) == len(layout)
    mapped = map_components(written, "x")
    assert mapped.layout is layout
    assert mapped.columns == mapped.points == tuple(range(len(layout)))
    assert mapped.unknown == 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_limbs_stay_inside_their_component_and_join_the_same_points(name):
    layout, start = get_layout(name), 0
    joined = set()
    for part in layout_components(layout, with_depth=True):
        assert part.limbs
        assert max(max(limb) for limb in part.limbs) < len(part.points)
        joined |= {(start + a, start + b) for a, b in part.limbs}
        start += len(part.points)
        assert all(0 <= value < 256 for colour in part.colours for value in colour)
        assert part.colours
    assert joined == set(layout.limbs)


def test_names_are_those_that_the_tools_write():
    """Some of each, from their own documentation."""
    mediapipe = layout_components(get_layout("mediapipe_holistic_553"), with_depth=True)
    assert [(c.name, c.point_format, len(c.points)) for c in mediapipe] == [
        ("POSE_LANDMARKS", "XYZC", 33), ("FACE_LANDMARKS", "XYZC", 478),
        ("LEFT_HAND_LANDMARKS", "XYZC", 21), ("RIGHT_HAND_LANDMARKS", "XYZC", 21),
    ]  # fmt: skip
    assert mediapipe[0].points[11:13] == ("LEFT_SHOULDER", "RIGHT_SHOULDER")
    assert mediapipe[1].points[477] == "477"
    assert mediapipe[2].points == tuple(HAND_POINTS)
    openpose = layout_components(get_layout("openpose_137"), with_depth=False)
    assert [(c.name, c.point_format, len(c.points)) for c in openpose] == [
        ("pose_keypoints_2d", "XYC", 25), ("face_keypoints_2d", "XYC", 70),
        ("hand_left_keypoints_2d", "XYC", 21), ("hand_right_keypoints_2d", "XYC", 21),
    ]  # fmt: skip
    assert openpose[0].points[:9] == (
        "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip",
    )  # fmt: skip
    assert [openpose[1].points[i] for i in (0, 17, 27, 36, 48, 60, 69)] == [
        "FB_0", "FEB_17", "FN_27", "FE_36", "FLO_48", "FLI_60", "FP_69",
    ]  # fmt: skip
    assert openpose[2].points[:6] == ("BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP", "I_CMC")
    coco = layout_components(get_layout("coco_wholebody_133"), with_depth=False)
    assert [c.name for c in coco] == ["BODY", "FACE", "LEFT_HAND", "RIGHT_HAND"]
    assert (coco[0].points[5], coco[1].points[67], coco[3].points[20]) == (
        "left_shoulder", "face-67", "hand_20",
    )  # fmt: skip


def test_a_reduced_header_maps_by_name_whatever_its_order():
    parts = [
        component("RIGHT_HAND_LANDMARKS", ["PINKY_TIP", "WRIST"]),
        component("POSE_WORLD_LANDMARKS", ["NOSE", "LEFT_EAR"]),
        component("FACE_LANDMARKS", [10, 0]),
        component("POSE_LANDMARKS", ["RIGHT_WRIST"]),
    ]
    mapped = map_components(parts, "x")
    assert mapped.dialect == "MediaPipe Holistic"
    assert mapped.layout.name == "mediapipe_holistic_543"
    assert mapped.columns == (0, 1, 4, 5, 6)  # the world landmarks are in metres: passed over
    assert [mapped.layout.points[i] for i in mapped.points] == [
        "RIGHT_HAND.PINKY_TIP", "RIGHT_HAND.WRIST", "FACE.10", "FACE.0", "POSE.RIGHT_WRIST",
    ]  # fmt: skip


@pytest.mark.parametrize(("last", "points"), [(467, 543), (468, 553)])
def test_irises_need_the_larger_layout(last, points):
    mapped = map_components([component("FACE_LANDMARKS", [0, last])], "x")
    assert len(mapped.layout) == points


def test_points_that_no_layout_has_are_counted():
    mapped = map_components([component("BODY_136", ["nose", "head_top", "pelvis"])], "x")
    assert (mapped.layout.name, mapped.columns, mapped.unknown) == ("coco_wholebody_133", (0,), 2)


def test_alphapose_calls_coco_wholebody_by_its_number_of_points():
    parts = [
        component("FACE_133", [f"face-{i}" for i in range(68)]),
        component("LEFT_HAND_136", [f"hand_{i}" for i in range(21)]),
        component("FACE_136", ["face_5"]),
    ]
    mapped = map_components(parts, "x")
    assert mapped.layout.points[mapped.points[0]] == "FACE.0"
    assert mapped.layout.points[mapped.points[68]] == "LEFT_HAND.WRIST"
    assert mapped.layout.points[mapped.points[-1]] == "FACE.5"


@pytest.mark.parametrize("name", ["BODY_135", "SMPLEX", "POSE_WORLD_LANDMARKS"])
def test_other_headers_are_refused_with_what_was_expected_and_found(name):
    with pytest.raises(InputError) as caught:
        map_components([component(name, ["Nose", "NOSE"])], "some.pose")
    assert f"found {name} (2 points)" in caught.value.message
    for expected in ("POSE_LANDMARKS", "pose_keypoints_2d", "BODY"):
        assert expected in caught.value.message
    assert caught.value.where == "some.pose"
