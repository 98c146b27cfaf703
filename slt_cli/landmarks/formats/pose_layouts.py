"""How the components of `.pose` files and the layouts of this project name the same points."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from slt_cli.errors import InputError
from slt_cli.landmarks import layout_tables as tables
from slt_cli.landmarks.formats.pose_file import PoseComponent
from slt_cli.landmarks.layouts import Layout, get_layout

Colour = tuple[int, int, int]

# OpenPose's own names, in the order of layout_tables.POSE_25 and HAND_21.
_OPENPOSE_BODY = """
Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle
REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel
"""
_OPENPOSE_HAND = """
BASE T_STT T_BCMC T_MCP T_IP I_CMC I_MCP I_PIP I_DIP M_CMC M_MCP M_PIP M_DIP R_CMC R_MCP R_PIP R_DIP
P_CMC P_MCP P_PIP P_DIP
"""
# Parts of the face by their first number: border, brows, nose, eyes, outer and inner lips, pupils.
_OPENPOSE_FACE = ((0, "FB"), (17, "FEB"), (27, "FN"), (36, "FE"), (48, "FLO"), (60, "FLI"),
                  (68, "FP"))  # fmt: skip
_BODY_COLOUR: Colour = (200, 60, 60)
_FACE_COLOUR: Colour = (128, 128, 128)
_FINGERS: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
_WRIST_COLOUR: Colour = (90, 90, 90)


@dataclass(frozen=True)
class _Dialect:
    """A family of headers: its components and point names by ours.

    `components` maps our components to theirs, `names` our points (`POSE.NOSE`) to their names.
    `layouts` are ours, the smallest first.
    """

    components: Mapping[str, str]
    names: Mapping[str, str]
    layouts: tuple[str, ...]
    point_format: str


@cache
def _dialects() -> Mapping[str, _Dialect]:
    hands = ("LEFT_HAND", "RIGHT_HAND")
    mesh = get_layout("mediapipe_holistic_553").points
    coco = get_layout("coco_wholebody_133").points
    return MappingProxyType({
        "MediaPipe Holistic": _Dialect(
            {c: f"{c}_LANDMARKS" for c in ("POSE", "FACE", *hands)},
            {point: point.partition(".")[2] for point in mesh},
            ("mediapipe_holistic_543", "mediapipe_holistic_553"), "XYZC",
        ),
        "OpenPose": _Dialect(
            {"POSE": "pose_keypoints_2d", "FACE": "face_keypoints_2d",
             "LEFT_HAND": "hand_left_keypoints_2d", "RIGHT_HAND": "hand_right_keypoints_2d"},
            dict(_openpose_names()), ("openpose_137",), "XYC",
        ),
        "COCO-WholeBody": _Dialect(
            {"POSE": "BODY", "FACE": "FACE"} | {hand: hand for hand in hands},
            dict(_coco_names(coco)), ("coco_wholebody_133",), "XYC",
        ),
    })  # fmt: skip


def _openpose_names() -> Iterator[tuple[str, str]]:
    yield from _paired("POSE", tables.POSE_25, _OPENPOSE_BODY)
    for number in range(70):
        part = [name for first, name in _OPENPOSE_FACE if first <= number][-1]
        yield f"FACE.{number}", f"{part}_{number}"
    for hand in ("LEFT_HAND", "RIGHT_HAND"):
        yield from _paired(hand, tables.HAND_21, _OPENPOSE_HAND)


def _paired(component: str, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for own, other in zip(ours.split(), theirs.split(), strict=True):
        yield f"{component}.{own}", other


def _coco_names(points: Sequence[str]) -> Iterator[tuple[str, str]]:
    hand = tables.HAND_21.split()
    for point in points:
        component, _, name = point.partition(".")
        own = {"POSE": name.lower(), "FACE": f"face-{name}"}
        yield point, own.get(component) or f"hand_{hand.index(name)}"


@dataclass(frozen=True)
class Mapped:
    """Which column of a `.pose` file is which point of a layout: `columns[i]` is `points[i]`.

    `dialect` names the family; `unknown` counts the points that the layout does not have.
    """

    dialect: str
    layout: Layout
    columns: tuple[int, ...]
    points: tuple[int, ...]
    unknown: int


def map_components(components: Sequence[PoseComponent], where: str) -> Mapped:
    """Find the family of a header by its component names and every point by its name.

    The layout is the smallest of the family that has all the points. Raises `InputError` with the
    components that are expected and those that were found.
    """
    for name, dialect in _dialects().items():
        ours = {theirs: own for own, theirs in dialect.components.items()}
        if any(_plain(component.name) in ours for component in components):
            columns = dict(_columns(components, ours, dialect))
            layout = _smallest(dialect, columns)
            known = {c: p for c, p in columns.items() if p in layout.points}
            if known:
                return Mapped(
                    name, layout, tuple(known), tuple(map(layout.index, known.values())),
                    len(columns) - len(known),
                )  # fmt: skip
    expected = "; ".join(
        f"{name}: {', '.join(d.components.values())}" for name, d in _dialects().items()
    )
    found = ", ".join(f"{c.name} ({len(c.points)} points)" for c in components)
    raise InputError(
        f"no known components in the .pose header: found {found}; expected those of {expected}",
        where=where, hint="convert the file with pose-format to one of these layouts",
    )  # fmt: skip


def layout_components(layout: Layout, *, with_depth: bool) -> tuple[PoseComponent, ...]:
    """The components that hold a layout's points in their order, with limbs and colours."""
    dialect = next(d for d in _dialects().values() if layout.name in d.layouts)
    return tuple(
        _component(layout, own, theirs, dialect, with_depth)
        for own, theirs in dialect.components.items()
    )


def _plain(component: str) -> str:
    """AlphaPose appends the number of points of its model to the names of COCO-WholeBody."""
    return re.sub(r"_13[36]$", "", component)


def _columns(
    components: Sequence[PoseComponent], ours: Mapping[str, str], dialect: _Dialect
) -> Iterator[tuple[int, str]]:
    """(column, our name of its point) of the components of the family, "" for unknown points."""
    start = 0
    for component in components:
        own = ours.get(_plain(component.name))
        theirs = {
            name: point for point, name in dialect.names.items() if point.startswith(f"{own}.")
        }
        for number, point in enumerate(component.points if own else ()):
            yield start + number, theirs.get(point.replace("face_", "face-"), "")
        start += len(component.points)


def _smallest(dialect: _Dialect, columns: Mapping[int, str]) -> Layout:
    found = set(columns.values())
    layouts = [get_layout(name) for name in dialect.layouts]
    return min(layouts, key=lambda layout: (-len(found & set(layout.points)), len(layout)))


def _component(
    layout: Layout, own: str, theirs: str, dialect: _Dialect, with_depth: bool
) -> PoseComponent:
    members = layout.component(own)
    first = members[0]
    limbs = tuple((a - first, b - first) for a, b in layout.limbs if a in members and b in members)
    return PoseComponent(
        theirs, "XYZC" if with_depth else dialect.point_format,
        tuple(dialect.names[layout.points[i]] for i in members), limbs, _colours(own),
    )  # fmt: skip


def _colours(own: str) -> tuple[Colour, ...]:
    """One colour for body and face; for hands one per finger, repeated for its four joints."""
    if own in ("POSE", "FACE"):
        return (_BODY_COLOUR if own == "POSE" else _FACE_COLOUR,)
    return (_WRIST_COLOUR, *(colour for colour in _FINGERS for _ in range(4)))
