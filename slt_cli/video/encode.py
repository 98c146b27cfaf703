"""Writing video: H.264 in MP4, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import numpy.typing as npt

from slt_cli.errors import UsageError
from slt_cli.storage.atomic import atomic_path


class VideoWriter:
    """Context manager that writes RGB frames to `path`; the file appears when the block succeeds.

    Frames are `height` x `width` pixels at a constant `fps`, stored as H.264 yuv420p.
    Raises `UsageError` for odd sizes, which 4:2:0 video cannot hold, and for frames of another
    size; `OutOfResources` on a full disk.
    """

    def __init__(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        if width % 2 or height % 2 or width < 2 or height < 2:
            raise UsageError(
                f"cannot write video of {width}x{height} pixels: both sides must be even",
                where=str(path),
                hint="crop or scale the frames to even sides",
            )
        self._path = path
        self._shape = (height, width, 3)
        self._opened = _opened(path, width, height, Fraction(fps))

    def __enter__(self) -> VideoWriter:
        """Open the container under a temporary name."""
        self._encode = self._opened.__enter__()
        return self

    def write(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Append one frame `(H, W, 3)` uint8."""
        if rgb.shape != self._shape or rgb.dtype != np.uint8:
            raise UsageError(
                f"frame is {rgb.shape} {rgb.dtype}, the video holds {self._shape} uint8",
                where=str(self._path),
            )
        self._encode(rgb)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush and put the file in place, or leave nothing after an error."""
        self._opened.__exit__(kind, error, trace)


@contextmanager
def _opened(
    path: Path, width: int, height: int, fps: Fraction
) -> Iterator[Callable[[npt.NDArray[np.uint8]], None]]:
    """Yield a function that encodes a frame; flush at the end."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "22"}
        stream.codec_context.thread_count = 1  # equal frames, equal pictures

        def encode(rgb: npt.NDArray[np.uint8]) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))

        yield encode
        container.mux(stream.encode())
