"""Layouts: which named points an array of landmarks holds, and what they are used for.

Adding an estimator's layout means adding one entry to `_SPECS`, adding a corpus of a few tracked
points one to `_TRACKS`; nothing else knows the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from types import MappingProxyType

from slt_cli.errors import InputError
from slt_cli.landmarks import layout_tables as tables

STREAMS = ("body", "face", "hand_left", "hand_right")
"""Streams in the order that they are listed everywhere."""
COMPONENTS = {"body": "POSE", "face": "FACE", "hand_left": "LEFT_HAND", "hand_right": "RIGHT_HAND"}
"""Part of a signer -> the component whose points tell whether it is seen."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A table of named points.

    `points` are named `COMPONENT.NAME` in the order of the array. `flip[i]` is the point that takes
    the place of point i in a mirror. `limbs` are pairs of points to connect in a drawing. Left and
    right are the signer's own.

    `streams` maps `body`, `face`, `hand_left`, `hand_right` to the indices a model reads, in the
    order of MSKA (Guan et al., arXiv 2405.05672): a hand stream is nose, eye, ear, shoulder, elbow
    and wrist of its side and the 21 points of the hand; the face 26 points, the tip of the nose
    tenth from 0; the body all 79: left, right without the nose that both begin with, face. Of a
    few tracked points each stream has those that there are, and may have none.
    """

    name: str
    points: tuple[str, ...]
    streams: Mapping[str, tuple[int, ...]]
    flip: tuple[int, ...]
    limbs: tuple[tuple[int, int], ...]

    def index(self, name: str) -> int:
        """Index of the point `COMPONENT.NAME`. Raises `InputError` naming near ones."""
        try:
            return _index_of(self)[name]
        except KeyError:
            raise InputError(
                f"layout {self.name} has no point {name!r}{_nearest(name, self.points)}"
            ) from None

    def component(self, name: str) -> tuple[int, ...]:
        """Indices of all points of a component: `POSE`, `FACE`, `LEFT_HAND`, `RIGHT_HAND`."""
        return _component_of(self, name)

    def __len__(self) -> int:
        return len(self.points)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes by name."""
        return (get_layout, (self.name,))


@dataclass(frozen=True)
class _Spec:
    """What differs between layouts. `face_points` counts the face."""

    pose: str
    face_points: int
    face_stream: Sequence[int]
    face_chains: Sequence[Sequence[int]]
    face_mirror: str


_MESH = (tables.MESH_STREAM, tables.MESH_CHAINS, tables.MESH_MIRROR)
_IBUG = (tables.IBUG_STREAM, tables.IBUG_CHAINS, tables.IBUG_MIRROR)
_SPECS = {
    "mediapipe_holistic_543": _Spec(tables.POSE_33, 468, *_MESH),
    "mediapipe_holistic_553": _Spec(tables.POSE_33, 478, *_MESH),
    "coco_wholebody_133": _Spec(tables.POSE_23, 68, *_IBUG),
    "openpose_137": _Spec(tables.POSE_25, 70, *_IBUG),
}
LAYOUTS = tuple(_SPECS)
"""Names of the layouts of whole signers."""
_TRACKS = {"hands_and_nose_3": tables.HANDS_AND_NOSE}
TRACK_LAYOUTS = tuple(_TRACKS)
"""Names of the layouts of a few tracked points."""


@cache
def get_layout(name: str) -> Layout:
    """The layout of that name. Raises `InputError` with the nearest names."""
    if name in _TRACKS:
        return _build_tracks(name, tuple(_TRACKS[name].split()))
    if name not in _SPECS:
        known = (*LAYOUTS, *TRACK_LAYOUTS)
        raise InputError(
            f"unknown landmark layout {name!r}{_nearest(name, known)}",
            hint="known layouts: " + ", ".join(known),
        )
    return _build(name, _SPECS[name])


def layout_with(num_points: int) -> Layout | None:
    """The layout that has this many points, or None: how arrays without a name are read."""
    return next((get_layout(n) for n in LAYOUTS if len(get_layout(n)) == num_points), None)


def _build(name: str, spec: _Spec) -> Layout:
    points = (
        *(f"POSE.{n}" for n in spec.pose.split()),
        *(f"FACE.{n}" for n in range(spec.face_points)),
        *(f"LEFT_HAND.{n}" for n in tables.HAND_21.split()),
        *(f"RIGHT_HAND.{n}" for n in tables.HAND_21.split()),
    )
    at = {point: i for i, point in enumerate(points)}
    mirror = _mirror(spec.face_mirror)
    flip = tuple(at[_mirrored(point, mirror)] for point in points)
    limbs = tuple(_limbs(at, spec))
    return Layout(name, points, MappingProxyType(_streams(at, spec)), flip, limbs)


def _build_tracks(name: str, points: tuple[str, ...]) -> Layout:
    """Every point is the body's; a hand stream leaves out those of the other hand."""
    left, right = (
        tuple(i for i, point in enumerate(points) if not point.startswith(other))
        for other in ("RIGHT", "LEFT")
    )
    body = tuple(range(len(points)))
    streams = dict(zip(STREAMS, (body, (), left, right), strict=True))
    flip = tuple(points.index(_mirrored(point, {})) for point in points)
    return Layout(name, points, MappingProxyType(streams), flip, limbs=())


def _streams(at: Mapping[str, int], spec: _Spec) -> dict[str, tuple[int, ...]]:
    left, right = (_hand_stream(at, side) for side in ("LEFT", "RIGHT"))
    face = tuple(at[f"FACE.{n}"] for n in spec.face_stream)
    body = (*left, *right[1:], *face)
    return dict(zip(STREAMS, (body, face, left, right), strict=True))


def _hand_stream(at: Mapping[str, int], side: str) -> tuple[int, ...]:
    arm = (at[f"POSE.{name}"] for name in tables.ARM_STREAM.format(side).split())
    return (*arm, *(at[f"{side}_HAND.{name}"] for name in tables.HAND_21.split()))


def _mirror(pairs: str) -> dict[str, str]:
    forth = dict(pair.split("-") for pair in pairs.split())
    return forth | {b: a for a, b in forth.items()}


def _mirrored(point: str, face_mirror: Mapping[str, str]) -> str:
    component, name = point.split(".")
    if component == "FACE":
        return f"FACE.{face_mirror.get(name, name)}"
    return point.replace("LEFT", "\0").replace("RIGHT", "LEFT").replace("\0", "RIGHT")


def _limbs(at: Mapping[str, int], spec: _Spec) -> Iterable[tuple[int, int]]:
    for limb in tables.BODY_LIMBS.split():
        a, b = (f"POSE.{end}" for end in limb.split("-"))
        if a in at and b in at:
            yield at[a], at[b]
    for hand in ("LEFT_HAND", "RIGHT_HAND"):
        root = at[f"{hand}.WRIST"]
        yield from ((root + a, root + b) for a, b in _links(tables.HAND_CHAINS))
    yield from ((at["FACE.0"] + a, at["FACE.0"] + b) for a, b in _links(spec.face_chains))


def _links(chains: Sequence[Sequence[int]]) -> Iterable[tuple[int, int]]:
    return ((a, b) for chain in chains for a, b in pairwise(chain))


@cache
def _index_of(layout: Layout) -> dict[str, int]:
    return {point: i for i, point in enumerate(layout.points)}


@cache
def _component_of(layout: Layout, name: str) -> tuple[int, ...]:
    return tuple(i for i, point in enumerate(layout.points) if point.startswith(name + "."))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
