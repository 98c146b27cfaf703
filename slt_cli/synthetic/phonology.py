"""What a sign is made of: handshape, orientation, location, movement, face (Stokoe's parameters).

Directions are given for the signer's right hand as the camera sees it: x to the right of the image
(across the body), y down, z away from the camera. A left hand uses the same numbers mirrored.
The unit of length is the distance between the shoulders; angles are in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Vector = tuple[float, float, float]

UP, DOWN = (0.0, -1.0, 0.0), (0.0, 1.0, 0.0)
ACROSS, ASIDE = (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
FORWARD, BACK = (0.0, 0.0, -1.0), (0.0, 0.0, 1.0)


class Handshape(NamedTuple):
    """Finger angles as fractions of full flexion, 0 straight to 1 closed.

    `base` bends the knuckle and `curl` the two outer joints of index, middle, ring and little
    finger; `spread` fans them out. The thumb stands off the hand by `thumb_out`, turns in front of
    the palm by `thumb_over` and bends by `thumb_curl`. `contact` is the part of the hand's length
    that meets the location: 1 for the fingertips.
    """

    base: tuple[float, float, float, float]
    curl: tuple[float, float, float, float]
    spread: float
    thumb_out: float
    thumb_over: float
    thumb_curl: float
    contact: float

    def vector(self) -> Array:
        """All angles as one row `(13,)`, so that two shapes can be blended."""
        return np.array([*self.base, *self.curl, *self[2:]])


def _shape(bent: str, spread: float, thumb: tuple[float, float, float], at: float) -> Handshape:
    """Read a shape from one letter per finger: `-` straight, `o` closed, `c` claw, `b` bent."""
    base, curl = zip(*[_FINGER[letter] for letter in bent], strict=True)
    return Handshape(base, curl, spread, *thumb, at)


_FINGER = {
    "-": (0.0, 0.04), "o": (0.98, 0.95), "c": (0.12, 0.62), "u": (0.42, 0.38),
    "b": (0.62, 0.28), "h": (0.1, 0.8),
}  # fmt: skip
HANDSHAPES: dict[str, Handshape] = {
    "flat": _shape("----", 0.12, (0.25, 0.05, 0.1), 0.6),
    "open": _shape("----", 1.0, (0.95, 0.1, 0.0), 0.55),
    "fist": _shape("oooo", 0.0, (0.15, 0.75, 0.75), 0.4),
    "thumb": _shape("oooo", 0.0, (1.0, 0.1, 0.0), 0.4),
    "index": _shape("-ooo", 0.0, (0.15, 0.75, 0.75), 0.95),
    "hook": _shape("hooo", 0.0, (0.15, 0.75, 0.75), 0.6),
    "V": _shape("--oo", 0.85, (0.15, 0.85, 0.7), 0.95),
    "W": _shape("---o", 0.85, (0.15, 0.9, 0.8), 0.9),
    "L": _shape("-ooo", 0.0, (1.0, 0.0, 0.0), 0.7),
    "Y": _shape("ooo-", 0.75, (1.0, 0.1, 0.0), 0.45),
    "claw": _shape("cccc", 0.8, (0.8, 0.5, 0.3), 0.65),
    "C": _shape("uuuu", 0.1, (0.65, 0.8, 0.1), 0.6),
    "O": _shape("bbbb", 0.0, (0.3, 0.8, 0.2), 0.8),
    "pinch": _shape("b---", 0.6, (0.4, 0.8, 0.25), 0.65),
}


class Location(NamedTuple):
    """A point of the signing space, fixed to the middle of the head or of the shoulders."""

    anchor: Literal["head", "torso"]
    at: Vector


LOCATIONS: dict[str, Location] = {
    "forehead": Location("head", (-0.04, -0.24, -0.36)),
    "temple": Location("head", (-0.30, -0.10, -0.46)),
    "eyes": Location("head", (-0.08, -0.04, -0.62)),
    "cheek": Location("head", (-0.21, 0.14, -0.42)),
    "mouth": Location("head", (-0.02, 0.19, -0.38)),
    "chin": Location("head", (-0.02, 0.32, -0.36)),
    "shoulder": Location("torso", (-0.46, -0.02, -0.28)),
    "other_shoulder": Location("torso", (0.36, 0.04, -0.30)),
    "chest": Location("torso", (-0.02, 0.30, -0.30)),
    "chest_side": Location("torso", (-0.30, 0.34, -0.30)),
    "belly": Location("torso", (-0.12, 0.80, -0.40)),
    "centre": Location("torso", (-0.03, 0.55, -0.65)),
    "near": Location("torso", (-0.30, 0.50, -0.60)),
    "side": Location("torso", (-0.44, 0.40, -0.55)),
    "high": Location("torso", (-0.66, -0.20, -0.50)),
    "low": Location("torso", (-0.62, 0.86, -0.45)),
    "rest": Location("torso", (-0.14, 1.06, -0.40)),
}


class Orientation(NamedTuple):
    """Where the fingers point (wrist to middle knuckle) and where the palm faces."""

    fingers: Vector
    palm: Vector


ORIENTATIONS: dict[str, Orientation] = {
    "up_front": Orientation((0.12, -1, -0.15), (0.0, -0.15, -1)),
    "up_back": Orientation((0.35, -0.95, -0.1), (0.15, 0.0, 1)),
    "up_across": Orientation((0.15, -1, -0.2), (1, 0.1, -0.25)),
    "up_side": Orientation((-0.15, -1, -0.2), (-1, 0.0, -0.3)),
    "across_back": Orientation((1, -0.25, -0.05), (0.05, 0.1, 1)),
    "across_down": Orientation((1, -0.1, -0.3), (0.0, 1, -0.35)),
    "across_up": Orientation((0.9, 0.15, -0.35), (0.1, -1, -0.45)),
    "across_front": Orientation((1, -0.2, -0.1), (0.1, 0.0, -1)),
    "front_down": Orientation((0.25, 0.25, -1), (0.0, 1, 0.15)),
    "front_up": Orientation((0.3, -0.35, -0.9), (0.0, -0.9, -0.35)),
    "front_across": Orientation((0.35, -0.3, -0.9), (0.95, 0.0, 0.3)),
    "roof": Orientation((0.75, -0.75, -0.1), (0.6, 0.7, -0.25)),
    "down_back": Orientation((0.25, 1, -0.15), (0.1, 0.05, 1)),
    "rest": Orientation((0.8, 0.55, -0.2), (0.1, -0.2, 1)),
}


class Movement(NamedTuple):
    """A path around the location and a turn of the wrist, over a phase from 0 to 1."""

    kind: Literal["hold", "straight", "arc", "circle", "tap", "wag"]
    direction: Vector = (0.0, 0.0, 0.0)
    size: float = 0.0
    turn: float = 0.0

    @property
    def repeated(self) -> bool:
        """Whether the movement goes back and forth, which takes longer."""
        return self.kind in {"circle", "tap", "wag"}

    def path(self, phase: Array) -> Array:
        """Displacement `(T, 3)` from the location at each `phase (T,)`."""
        along = np.array(self.direction) * self.size
        return _amount(self.kind, phase)[:, None] * along + self._bend(phase)

    def _bend(self, phase: Array) -> Array:
        if self.kind == "arc":
            return 0.35 * self.size * np.sin(np.pi * phase)[:, None] * np.array([[0, -1, -0.5]])
        if self.kind == "circle":
            angle = 2 * np.pi * 1.25 * phase
            return self.size * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        return np.zeros((len(phase), 3))

    def wrist_turn(self, phase: Array) -> Array:
        """Rotation `(T,)` about the forearm, back and forth if the movement is repeated."""
        if self.repeated:
            return self.turn * np.sin(4 * np.pi * phase)
        return self.turn * (minimum_jerk(phase) - 0.5)


def _amount(kind: str, phase: Array) -> Array:
    if kind in {"straight", "arc"}:
        return minimum_jerk(phase) - 0.5
    if kind == "tap":
        return -0.5 - 0.5 * np.cos(4 * np.pi * phase)
    if kind == "wag":
        return np.sin(4 * np.pi * phase)
    return np.zeros_like(phase)


def minimum_jerk(phase: Array) -> Array:
    """The smoothest step from 0 to 1: 10 s^3 - 15 s^4 + 6 s^5 (Flash and Hogan, 1985)."""
    return phase**3 * (10 - 15 * phase + 6 * phase**2)


STILL = Movement("hold")


@dataclass(frozen=True)
class Hand:
    """One hand's part of a sign; the shape may change into `closing` on the way."""

    shape: str
    location: str
    orientation: str
    movement: Movement = STILL
    closing: str | None = None


REST = Hand("flat", "rest", "rest")


@dataclass(frozen=True)
class Sign:
    """A sign: the dominant hand, what the other does, and the face.

    `other` is None (rests), "mirror" (same, mirrored), "alternate" (mirrored, half a cycle later)
    or a still base hand. `brows` and `mouth` run from 0 to 1, `shake` turns the head (radians).
    """

    gloss: str
    hand: Hand
    other: Hand | Literal["mirror", "alternate"] | None = None
    brows: float = 0.0
    mouth: float = 0.0
    shake: float = 0.0

    @property
    def duration_s(self) -> float:
        """Seconds of the sign itself at normal speed, without the transitions around it."""
        moves = self.hand.movement
        return 0.36 if moves.repeated else 0.28
