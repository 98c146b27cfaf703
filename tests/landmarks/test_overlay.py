from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from slt_cli.landmarks.overlay import (
    LEFT,
    RIGHT,
    SOURCES,
    contact_sheet,
    draw_overlay,
    encode_png,
    overlay_size,
)
from slt_cli.landmarks.rois import CropSource
from tests.landmarks.points import BODY, LAYOUT, frame, hand


def drawn(points: dict[str, tuple[float, float]], source: int = 0) -> np.ndarray:
    found = frame(points)
    boxes = np.tile(np.array([20, 20, 60, 60], np.int32), (3, 1))
    return draw_overlay(
        np.zeros((240, 320, 3), np.uint8), np.c_[found.points[:, :2], found.confidence],
        found.valid, LAYOUT, boxes, np.full(3, source, np.uint8), "frame 0",
    )  # fmt: skip


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether the part below the legend shows the colour."""
    return bool((image[150:] == colour).all(axis=2).any())


def test_hands_have_their_own_colours() -> None:
    left = drawn({**BODY, **hand("LEFT", (0.6, 0.6), size=0.2)})
    assert has(left, LEFT)
    assert not has(left, RIGHT)
    both = drawn({**hand("LEFT", (0.6, 0.6), size=0.2), **hand("RIGHT", (0.2, 0.6), size=0.2)})
    assert has(both, RIGHT)
    assert both.shape == (480, 640, 3)


def test_boxes_show_where_they_come_from() -> None:
    for source, (_, colour) in SOURCES.items():
        image = drawn({}, int(source))
        assert (image[80, 41:119] == colour).all(axis=1).any() or (image[40] == colour).any()
    plain = drawn({}, int(CropSource.MISSING))
    assert not has(plain, SOURCES[CropSource.DETECTED][1])


def test_sizes_are_even_and_large_enough() -> None:
    assert overlay_size((320, 240)) == (640, 480)
    assert overlay_size((1921, 1081)) == (1920, 1080) or overlay_size((1921, 1081)) == (1922, 1082)
    assert all(side % 2 == 0 for side in overlay_size((333, 777)))


def test_contact_sheet_holds_every_frame_in_order() -> None:
    frames = [np.full((40, 80, 3), 10 * i, np.uint8) for i in range(1, 6)]
    sheet = contact_sheet(frames, columns=3, width=80)
    assert sheet.shape == (80, 240, 3)
    assert [sheet[20, 40, 0], sheet[20, 200, 0], sheet[60, 120, 0]] == [10, 30, 50]
    assert not sheet[40:, 160:].any()


def test_png_keeps_the_colours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(encode_png(image)))), image)
