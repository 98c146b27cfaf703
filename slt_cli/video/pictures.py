"""Picture files as the eye sees them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from slt_cli.errors import InputError
from slt_cli.video.probe import MAX_PIXELS

UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, ArithmeticError, LookupError, TypeError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises for damaged files."""
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height as shown, from the header. Raises `UNREADABLE`, and like `read_picture`."""
    with _opened(path) as image:
        turned = image.getexif().get(0x0112, 1) >= 5
        return (image.height, image.width) if turned else (image.width, image.height)


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) uint8: turned as its EXIF entry says, on black where transparent.

    Grey, 16-bit, palette and CMYK pictures become RGB. Raises one of `UNREADABLE` when it is
    damaged, and `InputError` when it has more than `MAX_PIXELS`.
    """
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in _SIXTEEN_BITS:
            grey = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        if upright.has_transparency_data:
            black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
            upright = Image.alpha_composite(black, upright.convert("RGBA"))
        return np.array(upright.convert("RGB"), np.uint8)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise _too_large(path)
    return image


def _too_large(path: Path) -> InputError:
    return InputError(
        f"the picture has more than {MAX_PIXELS} pixels", where=str(path), hint="scale it down"
    )
