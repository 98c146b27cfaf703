from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from slt_cli.errors import UsageError
from slt_cli.video.encode import VideoWriter


def picture(step: int) -> np.ndarray:
    """A bright square that moves by 8 pixels per step over a grey ground."""
    frame = np.full((48, 64, 3), 90, np.uint8)
    frame[16:32, 8 * step : 8 * step + 16] = (200, 180, 160)
    return frame


@pytest.mark.parametrize("fps", [Fraction(15), Fraction(30000, 1001)])
def test_frames_and_times_survive(tmp_path: Path, fps: Fraction) -> None:
    path = tmp_path / "square.mp4"
    with VideoWriter(path, 64, 48, fps) as video:
        for step in range(6):
            video.write(picture(step))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.average_rate, stream.frames) == (fps, 6)
        frames = list(container.decode(stream))
    np.testing.assert_allclose([f.time for f in frames], np.arange(6) / float(fps), atol=1e-4)
    for step, frame in enumerate(frames):
        error = np.abs(frame.to_ndarray(format="rgb24").astype(int) - picture(step))
        assert error.mean() < 4


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (0, 48)])
def test_odd_sizes_are_refused(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(UsageError, match="even"):
        VideoWriter(tmp_path / "odd.mp4", width, height, Fraction(15))


def test_frame_of_another_size_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "mixed.mp4", 64, 48, Fraction(15)) as video:
            video.write(picture(0))
            video.write(picture(0)[:, :32])

    with pytest.raises(UsageError, match="64"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_equal_frames_give_equal_videos(tmp_path: Path) -> None:
    # Not equal bytes: the last bits of a picture, which nothing depends on, vary with what else
    # the process has done.
    videos = []
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, 64, 48, Fraction(15)) as video:
            for step in range(4):
                video.write(picture(step))
        with av.open(str(tmp_path / name)) as container:
            videos.append([(f.pts, f.to_ndarray().tobytes()) for f in container.decode(video=0)])
    assert len(videos[0]) == 4
    assert videos[0] == videos[1]
