from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from slt_cli.data.annotations import read_split
from slt_cli.data.crop_augment import CropAugmentation, CropChange, color_matrix
from slt_cli.data.crops import MEAN, STD, resize_crop
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from tests.data.crop_corpus import write_crop_corpus

SIDE = 32


def picture(side: int = SIDE) -> np.ndarray:
    """Smooth colours without black or white, so that nothing is clipped."""
    y, x = np.mgrid[0:side, 0:side] / side
    return (80 + 80 * np.dstack([x, y, (x + y) / 2])).astype(np.uint8)


def changed(brightness: float, contrast: float, saturation: float) -> np.ndarray:
    matrix = color_matrix(brightness, contrast, saturation)
    return CropChange(matrix=matrix).apply(picture(), SIDE).astype(float)


def test_brightness_multiplies_and_contrast_spreads_about_middle_grey() -> None:
    before = picture().astype(float)
    np.testing.assert_allclose(changed(1.2, 1, 1), 1.2 * before, atol=0.51)
    np.testing.assert_allclose(changed(1, 0.5, 1), 128 + 0.5 * (before - 128), atol=0.51)
    np.testing.assert_allclose(changed(1, 1, 1), before, atol=0.51)


def test_saturation_is_that_of_pillow() -> None:
    for factor in (0.0, 0.6, 1.4):
        expected = np.asarray(ImageEnhance.Color(Image.fromarray(picture())).enhance(factor))
        assert np.abs(changed(1, 1, factor) - expected).max() <= 2  # it rounds the grey first


def test_colours_beyond_black_and_white_are_cut() -> None:
    change = CropChange(matrix=color_matrix(3.0, 1, 1))
    assert change.apply(picture(), SIDE).max() == 255
    assert CropChange(matrix=color_matrix(1, 4.0, 1)).apply(picture(), SIDE).min() == 0


def test_zooming_in_shows_the_middle_larger() -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[8:24, 8:24] = 200  # the middle quarter
    assert (CropChange(zoom=2.0).apply(pixels, SIDE)[1:-1, 1:-1] == 200).all()
    half = CropChange(zoom=0.5).apply(pixels, SIDE)
    assert (half[13:19, 13:19] == 200).all()
    assert not half[:8].any()
    assert not half[:, 24:].any()


@pytest.mark.parametrize("size", [16, SIDE, 50])
def test_nothing_asked_for_is_a_mere_resize(size: int) -> None:
    np.testing.assert_array_equal(CropChange().apply(picture(), size), resize_crop(picture(), size))


def test_a_mirrored_crop_is_reversed_after_all_else() -> None:
    change = CropChange(zoom=1.2, matrix=color_matrix(1.1, 1, 1))
    mirrored = CropChange(zoom=1.2, matrix=change.matrix, mirrored=True)
    np.testing.assert_array_equal(
        mirrored.apply(picture(), 24), change.apply(picture(), 24)[:, ::-1]
    )


def test_draws_stay_within_the_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [CropAugmentation(color=0.3, zoom=(0.9, 1.2)).draw(rng) for _ in range(300)]
    zooms = [change.zoom for change in drawn]
    assert 0.9 <= min(zooms) < 0.92
    assert 1.18 < max(zooms) <= 1.2
    # rows of the matrix sum to brightness * contrast, whatever the saturation
    sums = [np.reshape(change.matrix, (3, 4))[:, :3].sum(1) for change in drawn]
    assert 0.7**2 <= np.min(sums) < np.max(sums) <= 1.3**2
    assert CropAugmentation(zoom=(0.5, 0.6)).draw(rng).matrix is None


def test_all_frames_of_a_stream_change_alike_and_streams_differ(tmp_path: Path) -> None:
    corpus = write_crop_corpus(tmp_path, clips=1, frames=6)
    parts = ("face", "hand_left")
    one = corpus.crop_path("face", "train_000", 0).read_bytes()
    for stream in ("face", "hand_l"):
        for frame in range(6):
            corpus.crop_path(stream, "train_000", frame).write_bytes(one)
    records = read_split(corpus, "train")
    made = ClipDataset(
        corpus, records, inputs=ModelInputs(parts, 8, image_size=SIDE),
        tokenizer=TextTokenizer.train(["x"], 300), glosses=(), max_target_length=8,
        augment=None, augment_crops=CropAugmentation(color=0.4, zoom=(0.8, 1.25)), seed=0,
    )  # fmt: skip
    first, second = made[0, 0], made[1, 0]
    for name in ("crops_face", "crops_hand_left"):
        crops = first.streams[name]
        assert (crops == crops[:1]).all()
        assert not np.allclose(crops, second.streams[name], atol=0.05)
        shades = crops * STD + MEAN
        assert -1e-5 <= shades.min() <= shades.max() <= 1 + 1e-5
    assert not np.allclose(first.streams["crops_face"], first.streams["crops_hand_left"], atol=0.05)
    for name, crops in made[0, 0].streams.items():
        np.testing.assert_array_equal(crops, first.streams[name])
