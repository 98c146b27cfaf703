"""Who is followed when several people are in the picture: the part of it given to the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.people import FaceFinder
from slt_cli.landmarks.rois import Box

Image = npt.NDArray[np.uint8]
Face = npt.NDArray[np.float64]  # left, top, right, bottom in pixels

# The signing space of SignMusketeers is 6 head units wide and 7 high. A detected face spans brows
# to chin, about three quarters of a head unit, so that is 4 of its widths to each side of its
# middle. Above it is room for raised hands.
_REACH, _ABOVE, _BELOW = 4.0, 1.5, 8.0
_LEAST_SEEN = 1 / 3
_LARGEST_STEP = 1.0  # in face widths, between two pictures
_LIKE_SIZE = 2.0


def find_signer(rule: str, pictures: Sequence[Image]) -> Box | None:
    """The part of the picture, left, top, right, bottom (4,) in pixels, that holds the signer.

    None means the whole picture. `rule` is `auto` (always the whole picture), `largest`, `left` or
    `right` (among the faces in `pictures`, as the viewer sees them), or a box `x,y,w,h` in pixels.
    `pictures` (H, W, 3) are spread over the clip; a face counts that is in a third of them. The
    part reaches as far as signing does, but only half of the way to another face. With one person
    or none it is the whole picture.

    Raises `InputError` for a box outside of the picture, `MissingAsset` without a face detector.
    """
    if rule == "auto" or not pictures:
        return None
    size = (pictures[0].shape[1], pictures[0].shape[0])
    if "," in rule:
        return _given(rule, size)
    with closing(FaceFinder()) as finder:
        people = gather_people([finder.face_boxes(picture) for picture in pictures])
    if len(people) < 2:
        return None
    chosen = {
        "largest": max(people, key=lambda face: face[2] - face[0]),
        "left": min(people, key=lambda face: face[0] + face[2]),
        "right": max(people, key=lambda face: face[0] + face[2]),
    }[rule]
    return body_region(chosen, [face for face in people if face is not chosen], size)


@dataclass
class _Person:
    """Faces of one person, at most one for each picture."""

    faces: list[Face] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)

    def distance(self, face: Face) -> float:
        """From the last face, in face widths; inf when it has quite another size."""
        last = self.faces[-1]
        widths = face[2] - face[0], last[2] - last[0]
        if max(widths) > _LIKE_SIZE * min(widths):
            return np.inf
        return float(np.linalg.norm(_middle(face) - _middle(last)) / max(widths))


def gather_people(pictures: Sequence[npt.NDArray[np.int32]]) -> list[Face]:
    """The usual face box of each person, given the face boxes (N, 4) in each of several pictures.

    Faces near each other in successive pictures are one person; who is in less than a third of
    the pictures is left out.
    """
    people: list[_Person] = []
    for number, boxes in enumerate(pictures):
        for face in boxes.astype(np.float64):
            others = [p for p in people if number not in p.pictures]
            person = min(others, key=lambda p: p.distance(face), default=None)
            if person is None or person.distance(face) > _LARGEST_STEP:
                person = _Person()
                people.append(person)
            person.faces.append(face)
            person.pictures.add(number)
    least = _LEAST_SEEN * len(pictures)
    return [np.median(p.faces, axis=0) for p in people if len(p.faces) >= least]


def body_region(face: Face, others: Sequence[Face], frame_size: tuple[int, int]) -> Box:
    """Where the person with that `face` signs: inside the frame, and half-way to `others`."""
    unit = face[2] - face[0]
    low = np.array([_middle(face)[0] - _REACH * unit, face[1] - _ABOVE * unit])
    high = np.array([_middle(face)[0] + _REACH * unit, face[3] + _BELOW * unit])
    for other in others:
        apart = _middle(other) - _middle(face)
        axis = int(abs(apart[1]) > abs(apart[0]))  # 0: beside, 1: above or below
        start, end = axis, axis + 2
        if apart[axis] > 0:
            high[axis] = min(high[axis], max(face[end], (face[end] + other[start]) / 2))
        else:
            low[axis] = max(low[axis], min(face[start], (face[start] + other[end]) / 2))
    low, high = np.clip(low, 0, frame_size), np.clip(high, 0, frame_size)
    box: Box = np.concatenate([np.floor(low), np.ceil(high)]).astype(np.int32)
    return box


def from_region(landmarks: FrameLandmarks, box: Box, frame_size: tuple[int, int]) -> FrameLandmarks:
    """Landmarks of the part `box` of a picture as landmarks of the whole of it.

    Depth, whose unit is about the width of what the estimator saw, is scaled alike.
    """
    corner, sides = box[:2] / frame_size, (box[2:] - box[:2]) / frame_size
    points = landmarks.points.copy()
    points[:, :2] = points[:, :2] * sides + corner
    points[:, 2] *= sides[0]
    points[~landmarks.valid] = 0
    return replace(landmarks, points=points)


def _given(rule: str, size: tuple[int, int]) -> Box:
    left, top, width, height = map(float, rule.split(","))
    edges = np.rint([left, top, left + width, top + height])
    box: Box = np.clip(edges, 0, [*size, *size]).astype(np.int32)
    if box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(
            f"the box {rule} of the signer lies outside of the picture, "
            f"which is {size[0]} x {size[1]} pixels",
            hint="give left,top,width,height in pixels",
        )
    return box


def _middle(face: Face) -> npt.NDArray[np.float64]:
    middle: npt.NDArray[np.float64] = (face[:2] + face[2:]) / 2
    return middle
