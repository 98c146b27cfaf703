from __future__ import annotations

import time

import numpy as np
import pytest

from slt_cli.synthetic.body import sample_clip
from slt_cli.synthetic.render import Renderer
from slt_cli.synthetic.signers import SIGNERS

BRUNO = SIGNERS["bruno"]


def test_picture_shows_skin_at_the_face_and_cloth_at_the_chest() -> None:
    clip = sample_clip(("NO",), BRUNO, np.random.default_rng(0))
    picture = Renderer(BRUNO).draw(clip.points[0])
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8

    def colour(point: np.ndarray) -> np.ndarray:
        x, y = (point[:2] * 256).astype(int)
        return picture[y, x].astype(int)

    cheek = clip.points[0, 33 + 205]
    chest = clip.points[0, [11, 12, 23, 24]].mean(0) - [0, 0.1, 0]
    np.testing.assert_allclose(colour(cheek), BRUNO.skin, atol=12)
    np.testing.assert_allclose(colour(chest), BRUNO.shirt, atol=12)


def test_moving_hand_changes_the_picture_where_it_is() -> None:
    clip = sample_clip(("NO",), BRUNO, np.random.default_rng(0))
    renderer = Renderer(BRUNO)
    middle = len(clip.points) // 2
    changed = np.abs(
        renderer.draw(clip.points[0]).astype(int) - renderer.draw(clip.points[middle])
    ).max(2)
    x, y = (clip.points[middle, 522:543, :2].mean(0) * 256).astype(int)
    assert changed[y - 4 : y + 4, x - 4 : x + 4].min() > 10


@pytest.mark.parametrize("size", [64, 320])
def test_pictures_come_in_any_size(size: int) -> None:
    clip = sample_clip(("CASA",), BRUNO, np.random.default_rng(0))
    small = Renderer(BRUNO, size).draw(clip.points[9])
    assert small.shape == (size, size, 3)
    whole = Renderer(BRUNO, 256).draw(clip.points[9])
    np.testing.assert_allclose(small.mean((0, 1)), whole.mean((0, 1)), atol=4)


def test_drawing_is_fast() -> None:
    clip = sample_clip(("CASA", "GRANDE"), BRUNO, np.random.default_rng(0))
    renderer = Renderer(BRUNO)
    started = time.process_time()
    for points in clip.points:
        renderer.draw(points)
    assert (time.process_time() - started) / len(clip.points) < 0.01
