"""Random changes of crops: colour and zoom, one for all frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Range = tuple[float, float]
Pixels = npt.NDArray[np.uint8]
Matrix = tuple[float, ...]

_GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
_MIDDLE = 128.0


@dataclass(frozen=True)
class CropAugmentation:
    """How much crops may change: `color` is the largest change of the three colour factors."""

    color: float = 0.0
    zoom: Range = (1.0, 1.0)

    def draw(self, rng: np.random.Generator) -> CropChange:
        """The change of one stream of one clip."""
        brightness, contrast, saturation = rng.uniform(1 - self.color, 1 + self.color, size=3)
        matrix = color_matrix(brightness, contrast, saturation) if self.color else None
        return CropChange(zoom=float(rng.uniform(*self.zoom)), matrix=matrix)


@dataclass(frozen=True)
class CropChange:
    """What happens to every frame of a stream.

    `zoom` above 1 shows the middle larger, below 1 puts black around it, as beyond a picture's
    edge. `matrix` holds the three rows of (red, green, blue, 1) -> one colour.
    """

    zoom: float = 1.0
    matrix: Matrix | None = None
    mirrored: bool = False

    def apply(self, rgb: Pixels, size: int) -> Pixels:
        """A crop (H, W, 3) of any size as (size, size, 3)."""
        from PIL import Image

        picture = _zoomed(Image.fromarray(rgb), self.zoom, size)
        if self.matrix is not None:
            picture = picture.convert("RGB", self.matrix)
        pixels: Pixels = np.asarray(picture)
        return pixels[:, ::-1] if self.mirrored else pixels


def color_matrix(brightness: float, contrast: float, saturation: float) -> Matrix:
    """Brightness, then contrast about middle grey, then saturation, as one affine map.

    Brightness multiplies, contrast multiplies the distance to 128, saturation the distance of each
    colour to the pixel's grey. Middle grey and not the mean of a picture, because all frames of a
    clip must change alike.
    """
    colors = saturation * np.eye(3) + (1 - saturation) * _GREY
    offset = np.full((3, 1), _MIDDLE * (1 - contrast))
    return tuple(np.hstack([brightness * contrast * colors, offset]).ravel().tolist())


def _zoomed(picture: Image, zoom: float, size: int) -> Image:
    """A picture of `size` by `size`, resized once; of the right size and not zoomed, as it is."""
    from PIL import Image

    how: dict[str, Any] = {"resample": Image.Resampling.BILINEAR, "reducing_gap": 2.0}
    if zoom < 1:
        inner = max(1, round(size * zoom))
        frame = Image.new("RGB", (size, size))
        start = (size - inner) // 2
        frame.paste(picture.resize((inner, inner), **how), (start, start))
        return frame
    if zoom == 1 and picture.size == (size, size):
        return picture
    (width, height), cut = picture.size, (1 - 1 / zoom) / 2
    box = (width * cut, height * cut, width * (1 - cut), height * (1 - cut))
    return picture.resize((size, size), box=box, **how)
