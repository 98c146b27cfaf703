from __future__ import annotations

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slt_cli.pretraining.multicrop import (
    CropRecipe,
    MultiCropDataset,
    _hue_shifted,
    batch_keys,
    make_views,
    random_crop,
    view_loader,
)

RECIPE = CropRecipe(global_size=16, local_size=8, local_crops=3)


def coordinates() -> Image.Image:
    """Red is x and green is y, so that a crop tells where it was cut."""
    y, x = np.mgrid[:256, :256].astype(np.uint8)
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=2))


def ramp() -> Image.Image:
    """Grey, brighter from left to right."""
    row = np.linspace(40, 210, 256).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(row[None, :, None], (256, 256, 3)).copy())


def test_views_have_their_sizes_and_stay_bytes() -> None:
    large, small = make_views(coordinates(), RECIPE, np.random.default_rng(0))
    assert (large.shape, small.shape) == ((2, 3, 16, 16), (3, 3, 8, 8))
    assert large.dtype == small.dtype == np.uint8
    assert make_views(coordinates(), replace(RECIPE, local_crops=0), np.random.default_rng(0))[
        1
    ].shape == (0, 3, 8, 8)


def test_crops_cover_the_share_and_aspect_asked_for() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        crop = np.asarray(random_crop(coordinates(), 64, (0.2, 0.5), rng)).astype(float)
        # A crop of 64 samples spans 63/64 of its width between the first and the last one.
        width = np.ptp(crop[:, 2:-2, 0].mean(0)) * 64 / 59 / 256
        height = np.ptp(crop[2:-2, :, 1].mean(1)) * 64 / 59 / 256
        assert 0.19 <= width * height <= 0.52
        assert 0.72 <= width / height <= 1.39


def test_an_image_too_narrow_for_the_box_is_cut_at_its_centre() -> None:
    narrow = Image.new("RGB", (10, 300), "red")
    narrow.paste("blue", (0, 145, 10, 155))
    crop = random_crop(narrow, 8, (0.9, 1.0), np.random.default_rng(0))
    assert np.asarray(crop)[..., 2].min() > 200  # blue, but for ringing at the rims


@pytest.mark.parametrize(("flip", "expected"), [(False, {True}), (True, {True, False})])
def test_left_stays_left_unless_asked(flip: bool, expected: set[bool]) -> None:
    recipe = replace(RECIPE, local_crops=60, local_scale=(0.3, 0.6), flip=flip)
    views = make_views(ramp(), recipe, np.random.default_rng(0))[1].astype(float)
    rising = views[:, :, :, 4:].mean((1, 2, 3)) > views[:, :, :, :4].mean((1, 2, 3))
    assert set(rising.tolist()) == expected


def test_hue_turns_as_colorsys_says() -> None:
    shifted = _hue_shifted(Image.new("RGB", (1, 1), (200, 40, 40)), 1 / 3).getpixel((0, 0))
    hue, saturation, value = colorsys.rgb_to_hsv(200, 40, 40)
    expected = colorsys.hsv_to_rgb(hue + 1 / 3, saturation, value)
    assert np.abs(np.subtract(shifted, expected)).max() <= 4  # HSV in bytes


def test_the_same_key_gives_the_same_views(pictures: list[Path]) -> None:
    dataset = MultiCropDataset(pictures, RECIPE, seed=3)
    assert torch.equal(dataset[(1, 2)][0], dataset[(1, 2)][0])
    assert not torch.equal(dataset[(1, 2)][0], dataset[(2, 2)][0])
    assert not torch.equal(dataset[(1, 2)][0], MultiCropDataset(pictures, RECIPE, 4)[(1, 2)][0])


def test_every_epoch_shows_each_image_at_most_once_in_a_new_order() -> None:
    batches = list(batch_keys(seed=0, images=13, batch_size=4, epochs=3))
    assert [len(batch) for batch in batches] == [4] * 9
    orders = []
    for epoch in range(3):
        keys = [key for batch in batches[epoch * 3 : epoch * 3 + 3] for key in batch]
        assert {e for e, _ in keys} == {epoch}
        images = [image for _, image in keys]
        assert len(set(images)) == 12
        assert set(images) <= set(range(13))
        orders.append(images)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("start", range(10))
def test_a_later_start_is_the_rest_of_the_same_run(start: int) -> None:
    whole = list(batch_keys(seed=5, images=13, batch_size=4, epochs=3))
    assert list(batch_keys(seed=5, images=13, batch_size=4, epochs=3, start=start)) == whole[start:]


def test_worker_processes_change_nothing(pictures: list[Path]) -> None:
    dataset = MultiCropDataset(pictures, RECIPE, seed=3)
    state = torch.get_rng_state()
    alone = list(view_loader(dataset, 4, 1, 0, 0))
    shared = list(view_loader(dataset, 4, 1, 0, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(alone) == len(shared) == 3
    for ours, theirs in zip(alone, shared, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
