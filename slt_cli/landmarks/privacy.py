"""Hiding who signs, but not what is signed: faces without anything but eyes and mouth.

SignMusketeers (Gueuwou et al., Findings of ACL 2025) greys everything in the face crop except the
eyes and the mouth and loses no quality. Hand crops show the face as well whenever a sign is made
near it; there everything of it is hidden except the hand itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layout_tables import HAND_CHAINS
from slt_cli.landmarks.layouts import Layout
from slt_cli.landmarks.rois import Box, CropSource

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Mode = Literal["gray", "blur"]

GRAY = 128
_BLOCKS = 8
"""Pixels that are left across a blurred face. Blurring alone can be undone to a good part; with
these few numbers the detail is gone, and no sharpening brings it back."""

# Contours with the eyelids, and the outer lips: of the MediaPipe mesh, and of iBUG's 68 points.
_MESH_FEATURES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
_IBUG_FEATURES = (tuple(range(36, 42)), tuple(range(42, 48)), tuple(range(48, 60)))
_MESH_SIZE = 468

# Margins, as fractions of the larger side of the face: around eyes and mouth, around the face.
_FEATURE_MARGIN, _FACE_MARGIN = 0.04, 0.15
# Half a finger's width is about a tenth of the palm's length; the rest allows for inexact joints.
_FINGER = 0.15
_PALM = (0, 1, 5, 9, 13, 17)
_LINKS = tuple(link for chain in HAND_CHAINS for link in pairwise(chain))
_FARTHEST = 2.0**14  # OpenCV draws with 32-bit fixed-point numbers


def hide_face(
    crops: Sequence[Image],
    boxes: npt.NDArray[np.int32],
    sources: npt.NDArray[np.uint8],
    landmarks: FrameLandmarks,
    layout: Layout,
    frame_size: tuple[int, int],
    mode: Mode,
) -> list[Image]:
    """The crops of face, left and right hand of one frame, with the face made unrecognisable.

    In the face crop only eyes and mouth stay. All of it is hidden when no face was detected in
    this frame and the crop comes from the pose or the frame before. In a hand crop the face is
    hidden except for the hands in front of it: by its landmarks, else by its crop box, and when
    nobody knows where the face is, everything but the hands is hidden.

    Args:
        crops: three pictures (S, S, 3), cut at `boxes`.
        boxes: (3, 4) pixels of the frame, left, top, right, bottom.
        sources: (3,) as in `CropSource`; what is missing is left as it is.
        landmarks: those of the frame, hands assigned.
        mode: `gray` (flat) or `blur` (beyond recognition).
    """
    pixels = landmarks.points[:, :2].astype(np.float64) * frame_size
    scene = _Scene(pixels, landmarks.valid, layout, boxes[0], CropSource(int(sources[0])))
    hidden: list[Image] = []
    for i, (crop, box, source) in enumerate(zip(crops, boxes, sources, strict=True)):
        if source == CropSource.MISSING:
            hidden.append(crop)
            continue
        visible = (
            scene.visible_face(box, len(crop)) if i == 0 else scene.visible_hand(box, len(crop))
        )
        faces = scene.face_side / (box[2] - box[0]) or 1.0
        hidden.append(_cover(crop, visible, mode, max(1, round(_BLOCKS / faces))))
    return hidden


class _Scene:
    """Where face and hands are in one frame, as polygons in its pixels."""

    def __init__(
        self,
        pixels: Points,
        valid: npt.NDArray[np.bool_],
        layout: Layout,
        face_box: Box,
        face_source: CropSource,
    ) -> None:
        def seen(indices: Iterable[int]) -> Points:
            return pixels[[i for i in indices if valid[i]]]

        face = layout.component("FACE")
        features = _MESH_FEATURES if len(face) >= _MESH_SIZE else _IBUG_FEATURES
        detected = face_source is CropSource.DETECTED
        self.features = [seen(face[i] for i in part) for part in features] if detected else []
        hands = [list(layout.component(hand)) for hand in ("LEFT_HAND", "RIGHT_HAND")]
        self.hands = [(pixels[hand], valid[hand]) for hand in hands]
        mostly = detected and valid[list(face)].mean() > 0.5
        self.face: Points | None = seen(face) if mostly else _corners(face_box)
        self.face_side = _extent(self.face)
        if face_source is CropSource.MISSING:
            self.face = None

    def visible_face(self, box: Box, size: int) -> Image:
        """Mask (S, S) of what may be seen of the face crop: 255 at eyes and mouth."""
        mask = np.zeros((size, size), np.uint8)
        for part in self.features:
            _paint(mask, part, box, _FEATURE_MARGIN * self.face_side, 255)
        return mask

    def visible_hand(self, box: Box, size: int) -> Image:
        """Mask (S, S) of what may be seen of a hand crop: 0 at the face."""
        mask = np.full((size, size), 0 if self.face is None else 255, np.uint8)
        if self.face is not None:
            _paint(mask, self.face, box, _FACE_MARGIN * self.face_side, 0)
        for points, valid in self.hands:
            _paint_hand(mask, points, valid, box)
        return mask


def _paint(mask: Image, points: Points, box: Box, margin: float, value: int) -> None:
    """Fill the convex hull of `points` and `margin` pixels of the frame around it."""
    if len(points) < 3:
        return
    hull = cv2.convexHull(_places(mask, points, box))
    cv2.fillConvexPoly(mask, hull, (value,))
    cv2.polylines(mask, [hull], True, (value,), _thickness(mask, 2 * margin, box))


def _paint_hand(mask: Image, points: Points, valid: npt.NDArray[np.bool_], box: Box) -> None:
    """Fill the palm and draw the fingers of one hand: between spread fingers is the face."""
    if not valid.any():
        return
    palm = np.linalg.norm(points[0] - points[9]) if valid[[0, 9]].all() else 0.0
    finger = _FINGER * max(float(palm), _extent(points[valid]) / 2)
    _paint(mask, points[[i for i in _PALM if valid[i]]], box, finger, 255)
    places = _places(mask, points, box)
    links = [places[[a, b]] for a, b in _LINKS if valid[a] and valid[b]]
    cv2.polylines(mask, links, False, (255,), _thickness(mask, 2 * finger, box))


def _places(mask: Image, points: Points, box: Box) -> npt.NDArray[np.int32]:
    """Points of the frame in pixels of the crop."""
    places = (points - box[:2]) * (len(mask) / (box[2] - box[0]))
    whole: npt.NDArray[np.int32] = np.rint(np.clip(places, -_FARTHEST, _FARTHEST)).astype(np.int32)
    return whole


def _thickness(mask: Image, width: float, box: Box) -> int:
    """A width in the frame as one in the crop, as far as OpenCV can draw it."""
    return int(np.clip(round(width * len(mask) / (box[2] - box[0])), 1, 2 * len(mask)))


def _cover(crop: Image, visible: Image, mode: Mode, blocks: int) -> Image:
    """The crop where it is visible, and gray or a blur elsewhere."""
    if visible.all():
        return crop
    if mode == "gray":
        covered = np.full_like(crop, GRAY)
    else:
        covered = _blurred(crop, blocks)
    cv2.copyTo(crop, visible, covered)
    return covered


def _blurred(crop: Image, blocks: int) -> Image:
    """The crop as told by `blocks` x `blocks` averages."""
    size = len(crop)
    blocks = min(blocks, size)
    small = cv2.resize(crop, (blocks, blocks), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (3, 3), 0)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _corners(box: Box) -> Points:
    left, top, right, bottom = map(float, box)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _extent(points: Points) -> float:
    """The larger side of the upright rectangle around points (N, 2); 0 without any."""
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0
