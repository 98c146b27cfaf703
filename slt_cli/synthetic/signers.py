"""The people: proportions, habits and looks. One of them is kept for testing."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Signer:
    """One signer. Lengths are relative to the shoulder width, `scale` and `centre` to the frame.

    `centre` is where the middle of the shoulders lies in the frame and `scale` how much of its
    width the shoulders take. `speed` and `amplitude` multiply tempo and size of the movements;
    `jitter` is how loosely locations are met. Colours are RGB.
    """

    name: str
    skin: Colour
    hair: Colour
    shirt: Colour
    wall: Colour
    long_hair: bool = False
    right_handed: bool = True
    centre: tuple[float, float] = (0.5, 0.44)
    scale: float = 0.39
    arm: float = 1.0
    hand: float = 1.0
    head: float = 1.0
    speed: float = 1.0
    amplitude: float = 1.0
    jitter: float = 0.02


TRAIN_SIGNERS: tuple[Signer, ...] = (
    Signer("ana", (236, 188, 156), (74, 44, 28), (38, 70, 120), (214, 222, 226), True),
    Signer("bruno", (196, 138, 100), (34, 26, 24), (52, 56, 62), (198, 206, 190), False,
           centre=(0.51, 0.45), scale=0.40, arm=1.06, hand=1.05, head=0.96, speed=0.9,
           amplitude=1.12),
    Signer("carla", (142, 92, 64), (22, 18, 18), (206, 168, 62), (226, 214, 200), True,
           centre=(0.48, 0.43), scale=0.37, arm=0.97, head=1.04, speed=1.1, jitter=0.03),
    Signer("diego", (244, 208, 180), (150, 96, 48), (44, 96, 78), (206, 210, 224), False,
           centre=(0.50, 0.46), scale=0.40, arm=1.03, hand=0.96, speed=1.05, amplitude=0.9),
    Signer("elena", (222, 172, 138), (96, 54, 34), (120, 44, 64), (222, 226, 214), True,
           right_handed=False, centre=(0.51, 0.44), scale=0.38, hand=0.95, head=1.05,
           amplitude=1.05),
    Signer("hugo", (110, 70, 50), (28, 24, 22), (180, 188, 196), (168, 188, 196), False,
           centre=(0.49, 0.45), scale=0.40, arm=1.0, hand=1.06, speed=0.95, jitter=0.03),
)  # fmt: skip
TEST_SIGNER = Signer(
    "lucia", (228, 176, 140), (42, 30, 30), (84, 60, 112), (220, 214, 206), True,
    centre=(0.505, 0.445), scale=0.385, arm=1.02, hand=1.0, head=1.02, speed=1.02,
    amplitude=0.96, jitter=0.025,
)  # fmt: skip
SIGNERS: dict[str, Signer] = {signer.name: signer for signer in (*TRAIN_SIGNERS, TEST_SIGNER)}
