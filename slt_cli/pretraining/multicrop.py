"""Multi-crop views of an image (Caron et al. 2020) with the augmentations of DINO, on Pillow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from slt_cli.pretraining.images import read_image
from slt_cli.training.signals import ignore_stop_signals

_BICUBIC = Image.Resampling.BICUBIC
Range = tuple[float, float]
Key = tuple[int, int]
"""Epoch and image number: all that the views of an image depend on besides the seed."""


@dataclass(frozen=True)
class CropRecipe:
    """Two global views and `local_crops` local ones.

    Sizes are sides in pixels, scales shares of the image area. `flip` mirrors every other view;
    leave it off for hands, where mirroring turns a left hand into a right one.
    """

    global_size: int = 224
    local_size: int = 96
    local_crops: int = 8
    global_scale: Range = (0.4, 1.0)
    local_scale: Range = (0.05, 0.4)
    flip: bool = False


def make_views(
    image: Image.Image, recipe: CropRecipe, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Views as bytes: globals (2, 3, G, G) and locals (N, 3, S, S).

    The first global view is always blurred; the second rarely, but it may be solarised.
    """

    def view(size: int, scale: Range, blur: float, solarise: float) -> npt.NDArray[np.uint8]:
        crop = random_crop(image, size, scale, rng)
        if recipe.flip and rng.random() < 0.5:
            crop = ImageOps.mirror(crop)
        crop = _blurred(_recoloured(crop, rng), blur, recipe.global_size, rng)
        if rng.random() < solarise:
            crop = ImageOps.solarize(crop)
        return np.asarray(crop).transpose(2, 0, 1)

    large, small = recipe.global_size, recipe.local_size
    two = [view(large, recipe.global_scale, blur, sol) for blur, sol in ((1.0, 0.0), (0.1, 0.2))]
    many = [view(small, recipe.local_scale, 0.5, 0.0) for _ in range(recipe.local_crops)]
    return np.stack(two), np.stack(many) if many else np.empty((0, 3, small, small), np.uint8)


def random_crop(
    image: Image.Image, size: int, scale: Range, rng: np.random.Generator
) -> Image.Image:
    """Cut a box of a random share of the area, aspect 3:4 to 4:3, and resize it to a square.

    An image too narrow for the box (ten draws) is cut at its centre as wide as it is.
    """
    width, height = image.size
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = np.sqrt(area * aspect), np.sqrt(area / aspect)
        if w <= width and h <= height:
            x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
            return image.resize((size, size), _BICUBIC, box=(x, y, x + w, y + h))
    return ImageOps.fit(image, (size, size), _BICUBIC)


def _recoloured(crop: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Jitter brightness, contrast, saturation and hue in random order; sometimes drop colour."""
    if rng.random() < 0.8:
        brightness, contrast = rng.uniform(0.6, 1.4, 2)
        saturation, hue = rng.uniform(0.8, 1.2), rng.uniform(-0.1, 0.1)
        for operation in rng.permutation(4):
            if operation == 0:
                crop = ImageEnhance.Brightness(crop).enhance(brightness)
            elif operation == 1:
                crop = ImageEnhance.Contrast(crop).enhance(contrast)
            elif operation == 2:
                crop = ImageEnhance.Color(crop).enhance(saturation)
            else:
                crop = _hue_shifted(crop, hue)
    if rng.random() < 0.2:
        crop = ImageOps.grayscale(crop).convert("RGB")
    return crop


def _hue_shifted(crop: Image.Image, turns: float) -> Image.Image:
    """Turn the colour wheel by a share of a full turn."""
    hue, saturation, value = crop.convert("HSV").split()
    offset = round(turns * 256)
    hue = hue.point([(level + offset) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _blurred(
    crop: Image.Image, probability: float, global_size: int, rng: np.random.Generator
) -> Image.Image:
    """Gaussian blur of 0.1 to 2 pixels at the published 224, less for smaller views."""
    if rng.random() >= probability:
        return crop
    return crop.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 2.0) * global_size / 224))


class MultiCropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Views by (epoch, image number): a pure function of those and the seed."""

    def __init__(self, paths: Sequence[Path], recipe: CropRecipe, seed: int) -> None:
        self.paths, self.recipe, self.seed = list(paths), recipe, seed

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Bytes: (2, 3, G, G) and (N, 3, S, S)."""
        rng = np.random.default_rng([self.seed, *key])
        views = make_views(read_image(self.paths[key[1]]), self.recipe, rng)
        return torch.from_numpy(views[0]), torch.from_numpy(views[1])


def batch_keys(
    seed: int, images: int, batch_size: int, epochs: int, start: int = 0
) -> Iterator[list[Key]]:
    """Batches of the whole run from step `start` on; each epoch has its own order.

    The images left over at the end of an epoch, fewer than a batch, wait for another epoch.
    """
    per_epoch = images // batch_size
    for epoch in range(start // per_epoch, epochs):
        order = np.random.default_rng([seed, epoch]).permutation(images).tolist()
        first = start - epoch * per_epoch if epoch == start // per_epoch else 0
        for batch in range(first, per_epoch):
            chosen = order[batch * batch_size : (batch + 1) * batch_size]
            yield [(epoch, image) for image in chosen]


def view_loader(
    dataset: MultiCropDataset,
    batch_size: int,
    epochs: int,
    start: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches (B, 2, 3, G, G) and (B, N, 3, S, S) for all steps from `start` to the last epoch."""
    keys = batch_keys(dataset.seed, len(dataset.paths), batch_size, epochs, start)
    return DataLoader(
        dataset,
        batch_sampler=keys,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(dataset.seed),  # leaves the global one alone
        worker_init_fn=ignore_stop_signals,
    )
