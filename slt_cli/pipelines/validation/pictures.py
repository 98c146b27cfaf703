"""Contact sheets: a few crops of a clip over time, framed by where each came from."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {
    "missing": "#8a93a0", "detected": "#2e9e5b", "pose": "#e0a100", "previous": "#3b7dd8",
    "cannot be read": "#d0342c",
}  # fmt: skip
"""Frames by the values of `crop_source`, in their order, and one for crops that are broken."""
_COLUMNS = 12
_SIDE, _BORDER = 74, 4

ReadCrop = Callable[[str, int], bytes]


def contact_sheet(clip: ClipKeypoints, streams: tuple[str, ...], read: ReadCrop) -> str:
    """Crops of `streams` at up to twelve moments, one row per stream, as a JPEG in a data URL.

    `read(stream, frame)` gives the bytes of a crop.
    """
    from PIL import Image

    frames = sampled_frames(len(clip))
    cell = _SIDE + 2 * _BORDER
    sheet = Image.new("RGB", (len(frames) * cell, len(streams) * cell))
    *by_source, broken = COLOURS.values()
    for row, stream in enumerate(streams):
        sources = clip.crop_source[CROP_STREAMS.index(stream)]
        for column, frame in enumerate(frames):
            picture = _picture(read, stream, int(frame))
            colour = by_source[int(sources[frame]) % 4] if picture else broken
            x, y = column * cell, row * cell
            sheet.paste(colour, (x, y, x + cell, y + cell))
            inside = (x + _BORDER, y + _BORDER, x + _BORDER + _SIDE, y + _BORDER + _SIDE)
            sheet.paste(picture or "#1c1c1c", inside)
    buffer = BytesIO()
    sheet.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def sampled_frames(frames: int) -> npt.NDArray[np.int64]:
    """Up to twelve frame numbers spread over a clip."""
    return np.unique(np.linspace(0, max(frames - 1, 0), _COLUMNS).round().astype(np.int64))


def _picture(read: ReadCrop, stream: str, frame: int) -> Image.Image | None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(read(stream, frame)), formats=("JPEG",)).convert("RGB")
    except (InputError, OSError, ValueError, Image.DecompressionBombWarning):
        return None
    return picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
