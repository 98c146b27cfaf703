"""From a decoded frame to the picture that a viewer sees: upright, square pixels, plain RGB."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame

_SQUARE = Fraction(1)


def rgb_picture(frame: VideoFrame, pixel_aspect: Fraction = _SQUARE) -> npt.NDArray[np.uint8]:
    """The frame as shown, (H, W, 3) uint8, in memory of its own.

    Pixels that are `pixel_aspect` times as wide as high are made square by scaling the width;
    turning and mirroring that the file asks of players is done; transparent parts become black.
    Interlaced frames stay as they are.
    """
    width = square_width(frame.width, pixel_aspect)
    if _has_alpha(frame):
        rgba = np.asarray(frame.to_ndarray(format="rgba", width=width), np.uint16)
        rgb: npt.NDArray[np.uint8] = (rgba[..., :3] * rgba[..., 3:] // 255).astype(np.uint8)
    else:
        rgb = np.asarray(frame.to_ndarray(format="rgb24", width=width), np.uint8)
    return _upright(rgb, frame)


def shown_size(
    width: int, height: int, pixel_aspect: Fraction, frame: VideoFrame | None
) -> tuple[int, int]:
    """Width and height of `rgb_picture` for coded `width` and `height`."""
    width = square_width(width, pixel_aspect)
    return (height, width) if frame is not None and quarter_turns(frame) % 2 else (width, height)


def square_width(width: int, pixel_aspect: Fraction) -> int:
    """Width in square pixels."""
    return width if pixel_aspect == 1 else max(1, round(width * pixel_aspect))


def quarter_turns(frame: VideoFrame) -> int:
    """How many quarter turns counter-clockwise show the frame upright, 0 to 3.

    For a mirrored frame they come before mirroring left and right.
    """
    xx, xy, _, yy = _display_matrix(frame)
    if abs(xy) > abs(xx):
        return 1 if xy < 0 else 3
    return 2 if yy < 0 else 0


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d with which the pixel (x, y) is shown at (ax + cy, bx + dy)."""
    # Not frame.side_data: the frame would keep it and it keeps the frame, a cycle that holds the
    # decoder's pictures until the garbage collector comes by.
    data: Any = SideDataContainer(frame).get("DISPLAYMATRIX")
    if data is None:
        return (1, 0, 0, 1)
    values = np.frombuffer(bytes(data), np.int32)
    return (int(values[0]), int(values[1]), int(values[3]), int(values[4]))


def _upright(rgb: npt.NDArray[np.uint8], frame: VideoFrame) -> npt.NDArray[np.uint8]:
    xx, xy, yx, yy = _display_matrix(frame)
    rgb = np.rot90(rgb, quarter_turns(frame))
    if xx * yy - xy * yx < 0:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(rgb)


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
