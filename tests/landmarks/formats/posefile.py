"""`.pose` files written here by hand, number by number, without the code under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HANDS = ("LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS")
_FINGERS = """
WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP INDEX_FINGER_MCP INDEX_FINGER_PIP INDEX_FINGER_DIP
INDEX_FINGER_TIP MIDDLE_FINGER_MCP MIDDLE_FINGER_PIP MIDDLE_FINGER_DIP MIDDLE_FINGER_TIP
RING_FINGER_MCP RING_FINGER_PIP RING_FINGER_DIP RING_FINGER_TIP PINKY_MCP PINKY_PIP PINKY_DIP
PINKY_TIP
"""
HAND_POINTS = _FINGERS.split()


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<H", len(data)) + data


@dataclass
class Component:
    name: str
    points: Sequence[str]
    point_format: str = "XYZC"
    limbs: Sequence[tuple[int, int]] = ()
    colours: Sequence[tuple[int, int, int]] = ((255, 0, 0),)

    def header(self) -> bytes:
        counts = struct.pack("<HHH", len(self.points), len(self.limbs), len(self.colours))
        return b"".join([
            text(self.name), text(self.point_format), counts, *map(text, self.points),
            *(struct.pack("<HH", *limb) for limb in self.limbs),
            *(struct.pack("<HHH", *colour) for colour in self.colours),
        ])  # fmt: skip


@dataclass
class Written:
    """A file of T frames, P people and all points: `data` (T, P, V, D), `confidence` (T, P, V)."""

    components: Sequence[Component]
    data: np.ndarray
    confidence: np.ndarray
    size: tuple[int, int, int] = (640, 480, 0)
    fps: float = 25
    frames_told: int | None = None  # by the header, if not the truth

    def header(self, version: float) -> bytes:
        head = struct.pack("<fHHHH", version, *self.size, len(self.components))
        return head + b"".join(component.header() for component in self.components)

    def v0_2(self) -> bytes:
        frames, people = self.data.shape[:2]
        frames = frames if self.frames_told is None else self.frames_told
        return self.header(0.2) + struct.pack("<fIH", self.fps, frames, people) + self.arrays()

    def v0_1(self) -> bytes:
        frames, people = self.data.shape[:2]
        frames = frames % 65536 if self.frames_told is None else self.frames_told
        body = struct.pack("<HHH", int(self.fps), frames, people)
        return self.header(0.1) + body + self.arrays()

    def v0_0(self) -> bytes:
        frames = len(self.data) % 65536 if self.frames_told is None else self.frames_told
        parts = [self.header(0.0), struct.pack("<HH", int(self.fps), frames)]
        for frame, confidence in zip(self.data, self.confidence, strict=True):
            parts.append(struct.pack("<H", len(frame)))
            for number, (person, sure) in enumerate(zip(frame, confidence, strict=True)):
                rows = np.column_stack([person, sure]).astype("<f4")
                parts += [struct.pack("<h", number), rows.tobytes()]
        return b"".join(parts)

    def arrays(self) -> bytes:
        return self.data.astype("<f4").tobytes() + self.confidence.astype("<f4").tobytes()


def hands(frames: int = 4, people: int = 1, seed: int = 0, **options: object) -> Written:
    """Two MediaPipe hands at random places of a picture of 640 x 480, all of them seen."""
    rng = np.random.default_rng(seed)
    data = rng.uniform(1, 400, (frames, people, 42, 3)).astype(np.float32)
    confidence = rng.uniform(0.5, 1, (frames, people, 42)).astype(np.float32)
    components = [Component(name, HAND_POINTS) for name in HANDS]
    return Written(components, data, confidence, **options)  # type: ignore[arg-type]
