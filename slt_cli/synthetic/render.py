"""Draws a signer from landmarks: one pleasant picture per frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from slt_cli.synthetic import face_points as face
from slt_cli.synthetic.body import FACE, LEFT_HAND, RIGHT_HAND
from slt_cli.synthetic.signers import Colour, Signer

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

_SHIFT = 4  # cv2 draws in fractions of a pixel given as integers: here sixteenths
_FINE = 1 << _SHIFT
_FINGERS = ([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16], [17, 18, 19, 20])
_FINGER_WIDTH = (0.062, 0.056, 0.056, 0.054, 0.048)  # in shoulder widths
_PALM = [0, 1, 5, 9, 13, 17]


class Renderer:
    """Draws frames of one signer on a square of `size` pixels.

    Inside, all lengths are sixteenths of a pixel.
    """

    def __init__(self, signer: Signer, size: int = 256) -> None:
        self.size = size
        self._signer = signer
        self._wall = _wall(signer.wall, size)
        self._unit = _FINE * size * signer.scale  # one shoulder width
        self._line = _mix(signer.skin, (40, 16, 10), 0.42)
        self._shade = _mix(signer.skin, (60, 20, 10), 0.14)
        self._light = _mix(signer.skin, (255, 244, 236), 0.22)

    def draw(self, points: npt.NDArray[np.float32]) -> Image:
        """Picture `(size, size, 3)` uint8 RGB of one frame of landmarks `(543, 3)`."""
        canvas = self._wall.copy()
        scaled = (points.astype(np.float64) * self.size - 0.5) * _FINE + 0.5  # rounds, once for all
        self._trunk(canvas, scaled)
        self._head(canvas, scaled[FACE])
        sides = ((11, 13, LEFT_HAND, -1.0), (12, 14, RIGHT_HAND, 1.0))
        # The hand nearer to the camera hides the other.
        for shoulder, elbow, hand, side in sorted(sides, key=lambda s: -scaled[s[2], 2].mean()):
            self._arm(canvas, scaled[shoulder, :2], scaled[elbow, :2], scaled[hand][0, :2])
            self._hand(canvas, scaled[hand], side)
        return canvas

    def _trunk(self, canvas: Image, points: Points) -> None:
        unit, shirt = self._unit, self._signer.shirt
        neck = (points[11, :2] + points[12, :2]) / 2
        left, right = points[11, :2], points[12, :2]
        hips = (points[23, :2] + points[24, :2]) / 2
        across = (left - right) / 2
        if self._signer.long_hair:
            hair = points[FACE][:, :2].mean(0) + _down(0.05 * unit)
            _ellipse(canvas, hair, (0.33 * unit, 0.50 * unit), self._signer.hair)
        top, base = neck - _down(0.30 * unit), neck + _down(0.05 * unit)
        _taper(canvas, base, top, 0.15 * unit, 0.13 * unit, self._shade)
        outline = [
            neck + 0.32 * across - _down(0.10 * unit), left - _down(0.09 * unit),
            left + 0.2 * across + _down(0.08 * unit), hips + 0.92 * across,
            hips + 0.96 * across + _down(unit), hips - 0.96 * across + _down(unit),
            hips - 0.92 * across, right - 0.2 * across + _down(0.08 * unit),
            right - _down(0.09 * unit), neck - 0.32 * across - _down(0.10 * unit),
            neck + _down(0.06 * unit),
        ]  # fmt: skip
        _fill(canvas, outline, shirt)
        _stroke(canvas, [outline[0], outline[-1], outline[-2]], _mix(shirt, (0, 0, 0), 0.25),
                0.02 * unit)  # fmt: skip

    def _head(self, canvas: Image, points: Points) -> None:
        signer, unit, xy = self._signer, self._unit, points[:, :2]
        middle = xy[list(face.OVAL)].mean(0)
        hair = middle - _down(0.06 * unit)
        _ellipse(
            canvas, hair, (0.275 * unit * signer.head, 0.325 * unit * signer.head), signer.hair
        )
        for ear in (127, 356):
            _ellipse(
                canvas, xy[ear] + _down(0.05 * unit), (0.045 * unit, 0.075 * unit), self._shade
            )
        _fill(canvas, xy[list(face.OVAL)], signer.skin)
        fringe = [xy[i] - _down(0.02 * unit) for i in (54, 103, 67, 109, 10, 338, 297, 332, 284)]
        _fill(canvas, [*fringe, xy[299], xy[108]], signer.hair)
        self._features(canvas, xy)

    def _features(self, canvas: Image, xy: Points) -> None:
        unit, hair = self._unit, self._signer.hair
        for eye, brow in zip(face.EYES, face.BROWS, strict=True):
            _fill(canvas, xy[list(eye)], (250, 248, 246))
            _ellipse(canvas, xy[list(eye)].mean(0), (0.026 * unit, 0.026 * unit), (52, 36, 28))
            _stroke(canvas, xy[list(eye[:9])], self._line, 0.012 * unit)
            _fill(canvas, xy[list(brow)], hair)
        _stroke(canvas, xy[list(face.NOSTRILS)], self._line, 0.014 * unit)
        _fill(canvas, xy[list(face.LIPS_OUTER)], _mix(self._signer.skin, (170, 30, 50), 0.45))
        _fill(canvas, xy[list(face.LIPS_INNER)], (92, 26, 30))

    def _arm(self, canvas: Image, shoulder: Points, elbow: Points, wrist: Points) -> None:
        unit, shirt = self._unit, self._signer.shirt
        sleeve = _mix(shirt, (255, 255, 255), 0.07)
        edge = _mix(shirt, (0, 0, 0), 0.35)
        cuff = elbow + 0.30 * (wrist - elbow)
        rim = 0.018 * unit
        _taper(canvas, elbow, wrist, 0.088 * unit + rim, 0.058 * unit + rim, self._line)
        _taper(canvas, elbow, wrist, 0.088 * unit, 0.058 * unit, self._signer.skin)
        for grow, colour in ((rim, edge), (0.0, sleeve)):
            _taper(canvas, shoulder, elbow, 0.125 * unit + grow, 0.105 * unit + grow, colour)
            _taper(canvas, elbow, cuff, 0.105 * unit + grow, 0.098 * unit + grow, colour)

    def _hand(self, canvas: Image, joints: Points, side: float) -> None:
        """Fingers and palm from back to front, each with a darker rim."""
        across, along = joints[5, :2] - joints[17, :2], joints[9, :2] - joints[0, :2]
        facing = side * (across[0] * along[1] - across[1] * along[0]) < 0
        palm_colour = self._light if facing else self._signer.skin
        parts = [(joints[_PALM, 2].mean(), -1)]
        parts += [((joints[f[1], 2] + joints[f[3], 2]) / 2, k) for k, f in enumerate(_FINGERS)]
        for _, finger in sorted(parts, reverse=True):
            if finger < 0:
                self._palm(canvas, joints, palm_colour)
            else:
                self._finger(canvas, joints, finger, palm_colour)

    def _palm(self, canvas: Image, joints: Points, colour: Colour) -> None:
        unit = self._unit
        hull = joints[_PALM, :2]
        _stroke(canvas, [*hull, hull[0]], self._line, 0.105 * unit)
        _fill(canvas, hull, colour)
        _stroke(canvas, [*hull, hull[0]], colour, 0.075 * unit)

    def _finger(self, canvas: Image, joints: Points, finger: int, colour: Colour) -> None:
        path = joints[_FINGERS[finger], :2]
        width = _FINGER_WIDTH[finger] * 2 * self._unit * self._signer.hand * 0.72
        _stroke(canvas, path, self._line, width + 0.03 * self._unit)
        _stroke(canvas, path, colour, width)
        _ellipse(canvas, path[-1], (0.3 * width, 0.3 * width), self._light)


def _wall(colour: Colour, size: int) -> Image:
    """A softly lit wall: brighter above, darker in the corners."""
    y, x = np.mgrid[0:size, 0:size] / size
    light = 1.04 - 0.12 * y - 0.35 * ((x - 0.5) ** 2 + 0.5 * (y - 0.4) ** 2)
    return np.clip(np.array(colour) * light[..., None], 0, 255).astype(np.uint8)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _down(length: float) -> Points:
    return np.array([0.0, length])


def _fill(canvas: Image, outline: Sequence[Points] | Points, colour: Colour) -> None:
    cv2.fillPoly(canvas, [np.array(outline, np.int32)], colour, cv2.LINE_AA, _SHIFT)


def _stroke(canvas: Image, path: Sequence[Points] | Points, colour: Colour, width: float) -> None:
    """A line with round ends and joints."""
    thickness = max(1, round(width / _FINE))
    whole = np.array(path, np.int32)
    cv2.polylines(canvas, [whole], False, colour, thickness, cv2.LINE_AA, _SHIFT)


def _ellipse(canvas: Image, centre: Points, axes: tuple[float, float], colour: Colour) -> None:
    middle, radii = (int(centre[0]), int(centre[1])), (int(axes[0]), int(axes[1]))
    cv2.ellipse(canvas, middle, radii, 0, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def _taper(
    canvas: Image, start: Points, end: Points, from_radius: float, to_radius: float, colour: Colour
) -> None:
    """A limb: two discs and the quadrilateral between them."""
    (ax, ay), (bx, by) = start, end
    length = max(math.hypot(bx - ax, by - ay), 1.0)
    nx, ny = (ay - by) / length, (bx - ax) / length
    corners = [
        (ax + nx * from_radius, ay + ny * from_radius), (bx + nx * to_radius, by + ny * to_radius),
        (bx - nx * to_radius, by - ny * to_radius), (ax - nx * from_radius, ay - ny * from_radius),
    ]  # fmt: skip
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], colour, cv2.LINE_AA, _SHIFT)
    for x, y, radius in ((ax, ay, from_radius), (bx, by, to_radius)):
        cv2.circle(canvas, (int(x), int(y)), int(radius), colour, -1, cv2.LINE_AA, _SHIFT)
