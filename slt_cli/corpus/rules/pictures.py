"""A look at single crops: can they be decoded, how large are they, are they black?"""

from __future__ import annotations

from dataclasses import dataclass

from slt_cli.corpus.rules.crops import CropListing
from slt_cli.errors import InputError

BLACK = 16
"""Brightest value of a black JPEG; rounding of the compression stays well below it."""


@dataclass(frozen=True)
class CropSample:
    """One crop of a clip; `problem` says why it cannot be used, the rest is then empty."""

    stream: str
    frame: int
    size: tuple[int, int] = (0, 0)
    brightest: int = 0
    problem: str = ""

    @property
    def is_black(self) -> bool:
        """Whether it shows nothing, as a missing crop does."""
        return self.brightest <= BLACK


def look_at_crop(crops: CropListing, stream: str, video_id: str, frame: int) -> CropSample:
    """Decode one crop in shades of grey."""
    import simplejpeg

    try:
        data = crops.read(stream, video_id, frame)
        grey = simplejpeg.decode_jpeg(data, colorspace="GRAY")
    except InputError as error:
        return CropSample(stream, frame, problem=error.message)
    except ValueError:
        problem = "not a whole JPEG" if data else "the file is empty"
        return CropSample(stream, frame, problem=problem)
    height, width = grey.shape[:2]
    return CropSample(stream, frame, (width, height), int(grey.max()))
