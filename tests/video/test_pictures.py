"""Pictures as a viewer sees them: turned, mirrored, with true proportions, in plain RGB."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.video import probe
from slt_cli.video.decode import VideoReader
from slt_cli.video.probe import pixel_aspect, probe_video
from tests.video.media import picture, write_video


def first(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        rgb = next(iter(reader)).rgb
        assert rgb.shape == (reader.info.height, reader.info.width, 3)
    info = probe_video(path)
    assert (info.width, info.height) == (rgb.shape[1], rgb.shape[0])
    return rgb.astype(int)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_rotation_is_applied_once_as_opencv_does(
    tmp_path: Path, degrees: int, container: str
) -> None:
    path = write_video(
        tmp_path / f"phone.{container}", frames=2,
        prepare=lambda stream: stream.set_display_rotation(degrees),
    )  # fmt: skip
    upright = np.rot90(picture(0, 64, 48), degrees // 90)
    assert np.abs(first(path) - upright).mean() < 6
    assert probe_video(path).rotation == degrees
    if container == "mp4":
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        seen = capture.read()[1][..., ::-1]
        assert np.abs(seen.astype(int) - upright).mean() < 6


@pytest.mark.parametrize(
    ("degrees", "mirror", "expected"),
    [
        (0, {"hflip": True}, lambda rgb: rgb[:, ::-1]),
        (0, {"vflip": True}, lambda rgb: rgb[::-1]),
        (180, {"hflip": True}, lambda rgb: rgb[::-1]),
        (90, {"hflip": True}, lambda rgb: np.rot90(rgb[:, ::-1], 3)),
    ],
)
def test_mirrored_video_is_shown_as_players_show_it(
    tmp_path: Path, degrees: int, mirror: dict[str, bool], expected: Any
) -> None:
    path = write_video(
        tmp_path / "selfie.mp4", frames=2,
        prepare=lambda stream: stream.set_display_rotation(degrees, **mirror),
    )  # fmt: skip
    assert np.abs(first(path) - expected(picture(0, 64, 48))).mean() < 6


def with_aspect(path: Path, aspect: Fraction, **options: Any) -> Path:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect
        if options.get("turned"):
            stream.set_display_rotation(90)

    return write_video(path, frames=2, size=(72, 58), prepare=prepare)


@pytest.mark.parametrize("name", ["dv.mp4", "dv.mkv"])
def test_anamorphic_pictures_get_square_pixels(tmp_path: Path, name: str) -> None:
    path = with_aspect(tmp_path / name, Fraction(16, 15))
    rgb = first(path)
    assert rgb.shape == (58, 77, 3)
    assert probe_video(path).pixel_aspect == Fraction(16, 15)
    stretched = cv2.resize(picture(0, 72, 58), (77, 58), interpolation=cv2.INTER_LINEAR)
    assert np.abs(rgb - stretched).mean() < 6


def test_turning_comes_after_stretching(tmp_path: Path) -> None:
    path = with_aspect(tmp_path / "a.mp4", Fraction(2), turned=True)
    assert first(path).shape == (144, 58, 3)


def test_digital_video_of_pal_has_the_proportions_of_television(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", frames=2, codec="dvvideo", size=(720, 576))
    assert first(path).shape == (576, 768, 3)


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [
        (Fraction(640, 639), 1),
        (Fraction(10, 11), Fraction(10, 11)),
        (Fraction(65535), 1),
        (Fraction(1, 9), 1),
        (None, 1),
        (Fraction(0), 1),
    ],
)
def test_odd_aspects_are_not_believed(aspect: Fraction | None, expected: Fraction) -> None:
    class Stream:
        sample_aspect_ratio = aspect

    assert pixel_aspect(Stream()) == expected


def test_stretched_pictures_are_held_to_the_limit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_aspect(tmp_path / "a.mp4", Fraction(2))
    monkeypatch.setattr(probe, "MAX_PIXELS", 72 * 58)
    with pytest.raises(InputError, match="144 x 58"):
        probe_video(path)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "encoder"),
    [
        ("h264.mp4", "libx264", "yuv420p10le", {}),
        ("hevc.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none"}),
        ("vp9.webm", "libvpx-vp9", "yuv444p", {"deadline": "realtime", "cpu-used": "8"}),
        ("prores.mov", "prores", "yuv422p10le", {}),
        ("full.avi", "mjpeg", "yuvj420p", {}),
        ("planar.mkv", "ffv1", "gbrp16le", {}),
    ],
)
def test_deep_and_unusual_pixels(
    tmp_path: Path, name: str, codec: str, pixels: str, encoder: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, frames=8, codec=codec, pixels=pixels, encoder=encoder)
    assert np.abs(first(path) - picture(0, 64, 48)).mean() < 6


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (1, 1), (3, 5)])
def test_slim_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mov", frames=2, codec="png", pixels="rgb24", size=size)
    np.testing.assert_array_equal(first(path), picture(0, *size))


def test_transparent_parts_are_black(tmp_path: Path) -> None:
    alpha = np.zeros((48, 64, 1), np.uint8)
    alpha[24:] = 255
    alpha[40:] = 128
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        rgba = np.dstack([np.full((48, 64, 3), 200, np.uint8), alpha])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode())
    rgb = first(path)
    assert (rgb[:24] == 0).all()
    assert (rgb[24:40] == 200).all()
    assert (rgb[40:] == 200 * 128 // 255).all()


def test_interlaced_video_says_so(tmp_path: Path) -> None:
    woven = write_video(
        tmp_path / "a.mpg", frames=4, codec="mpeg2video", encoder={"flags": "+ildct+ilme"},
    )  # fmt: skip
    assert probe_video(woven).interlaced
    assert not probe_video(write_video(tmp_path / "b.mp4", frames=2)).interlaced
