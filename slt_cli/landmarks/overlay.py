"""Drawings that let a person judge landmarks and crops."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.layouts import Layout
from slt_cli.landmarks.rois import CROPS, CropSource

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

BODY: Colour = (235, 235, 235)
FACE: Colour = (120, 200, 255)
LEFT: Colour = (255, 140, 0)
RIGHT: Colour = (255, 90, 220)
SOURCES: dict[CropSource, tuple[str, Colour]] = {
    CropSource.DETECTED: ("detected", (80, 220, 80)),
    CropSource.POSE: ("from pose", (255, 200, 0)),
    CropSource.PREVIOUS: ("previous", (255, 60, 60)),
}
_SMALLEST_SIDE = 480
_LINE = cv2.LINE_AA


def draw_overlay(
    rgb: Image,
    keypoints: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    layout: Layout,
    boxes: npt.NDArray[np.int32],
    sources: npt.NDArray[np.uint8],
    caption: str,
) -> Image:
    """One frame with skeleton, crop boxes, legend and caption; small pictures are enlarged.

    Args:
        rgb: (H, W, 3).
        keypoints: (V, 3) x and y in [0, 1] of the frame, confidence.
        valid: (V,).
        boxes: (3, 4) pixels of `rgb`; `sources` (3,) as in `CropSource`.
    """
    size = overlay_size((rgb.shape[1], rgb.shape[0]))
    zoom = size[0] / rgb.shape[1]
    image: Image = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    _skeleton(image, keypoints[:, :2] * np.array(size), valid, layout)
    for name, box, source in zip(CROPS, boxes, sources, strict=True):
        _box(image, name, box * zoom, CropSource(int(source)))
    _legend(image, caption)
    return image


def overlay_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the drawing of a frame: even, and not too small for text."""
    zoom = max(1.0, _SMALLEST_SIDE / min(frame_size))
    return 2 * round(frame_size[0] * zoom / 2), 2 * round(frame_size[1] * zoom / 2)


def encode_png(image: Image) -> bytes:
    """An RGB image as PNG."""
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def contact_sheet(frames: Sequence[Image], columns: int = 4, width: int = 480) -> Image:
    """Frames side by side, each scaled to `width`. `frames` must be of one size and not empty."""
    height = round(frames[0].shape[0] * width / frames[0].shape[1])
    rows = -(-len(frames) // columns)
    sheet = np.zeros((rows * height, min(columns, len(frames)) * width, 3), np.uint8)
    for i, frame in enumerate(frames):
        y, x = (i // columns) * height, (i % columns) * width
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        sheet[y : y + height, x : x + width] = small
    return sheet


def _skeleton(image: Image, pixels: Points, valid: npt.NDArray[np.bool_], layout: Layout) -> None:
    places = np.clip(pixels, -(2**14), 2**14).astype(int)
    for a, b in layout.limbs:
        if valid[a] and valid[b]:
            colour, thickness = _style(layout.points[a])
            cv2.line(image, _xy(places[a]), _xy(places[b]), colour, thickness, _LINE)
    for letter, colour in (("L", LEFT), ("R", RIGHT)):
        wrist = layout.index(f"{'LEFT' if letter == 'L' else 'RIGHT'}_HAND.WRIST")
        if valid[wrist]:
            _text(image, letter, _xy(places[wrist] + 8), colour, 0.8)


def _style(point: str) -> tuple[Colour, int]:
    component = point.split(".")[0]
    if component == "POSE":
        return BODY, 2
    if component == "FACE":
        return FACE, 1
    return (LEFT if component == "LEFT_HAND" else RIGHT), 2


def _box(image: Image, name: str, box: Points, source: CropSource) -> None:
    if source is CropSource.MISSING:
        return
    left, top, right, bottom = (round(float(edge)) for edge in box)
    colour = SOURCES[source][1]
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, 2, _LINE)
    _text(image, name, (max(left, 0) + 4, max(top, 0) + 16), colour, 0.5)


def _legend(image: Image, caption: str) -> None:
    rows: list[tuple[str, Colour]] = [
        (caption, BODY),
        ("L left hand", LEFT),
        ("R right hand", RIGHT),
    ]
    rows += [(f"box {label}", colour) for label, colour in SOURCES.values()]
    for i, (label, colour) in enumerate(rows):
        _text(image, label, (8, 18 + 17 * i), colour, 0.45)


def _text(image: Image, text: str, place: tuple[int, int], colour: Colour, scale: float) -> None:
    for shade, thickness in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thickness, _LINE)


def _xy(point: npt.NDArray[np.int_]) -> tuple[int, int]:
    return int(point[0]), int(point[1])
