"""Crops of a clip as normalised images."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
import simplejpeg

from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import crop_name
from slt_cli.data.crop_augment import CropChange
from slt_cli.errors import InputError

CROP_FOLDERS = {"face": "face", "hand_left": "hand_l", "hand_right": "hand_r"}
# Mean and deviation of ImageNet, which the published backbones were trained with.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
# (x / 255 - mean) / std as one product and one difference: an eighth of the time.
_SCALE, _OFFSET = 1 / (255 * STD), MEAN / STD


def read_crops(
    store: CropStore,
    video_id: str,
    part: str,
    frames: npt.NDArray[np.int64],
    size: int,
    change: CropChange | None = None,
) -> npt.NDArray[np.float32]:
    """Normalised crops (T, 3, size, size) of `part`, loose or packed, all changed by `change`.

    Raises `InputError` naming a crop that is missing or cannot be decoded, or a damaged shard.
    """
    images = np.empty((len(frames), 3, size, size), np.float32)
    for row, frame in zip(images, frames.tolist(), strict=True):
        data = store.read(CROP_FOLDERS[part], video_id, frame)
        try:
            rgb = _decode(data)
        except (ValueError, OSError) as error:
            raise InputError(
                f"clip {video_id}: crop {frame} of {part} cannot be decoded ({error})",
                where=f"{CROP_FOLDERS[part]}/{crop_name(video_id, frame)}",
                hint="slt validate CORPUS, then slt extract again",
            ) from error
        normalise_crop(resize_crop(rgb, size) if change is None else change.apply(rgb, size), row)
    return images


def decode_crop(data: bytes, size: int) -> npt.NDArray[np.float32]:
    """An encoded crop as a normalised (3, size, size) image."""
    return normalise_crop(resize_crop(_decode(data), size))


def normalise_crop(
    rgb: npt.NDArray[np.uint8], out: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """(H, W, 3) bytes to (3, H, W) floats with ImageNet statistics."""
    if out is None:
        out = np.empty((3, *rgb.shape[:2]), np.float32)
    np.multiply(rgb.transpose(2, 0, 1), _SCALE, out=out)
    out -= _OFFSET
    return out


def resize_crop(rgb: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Square resize; an image of the right size is returned as it is."""
    if rgb.shape[0] == size and rgb.shape[1] == size:
        return rgb
    from PIL import Image

    return np.asarray(
        Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    )


def _decode(data: bytes) -> npt.NDArray[np.uint8]:
    if data[:2] == b"\xff\xd8":
        return simplejpeg.decode_jpeg(data, "RGB")
    from PIL import Image

    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))
