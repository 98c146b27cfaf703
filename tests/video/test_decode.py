from __future__ import annotations

import gc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt_cli.errors import InputError, SltError
from slt_cli.video.decode import Frame, VideoReader
from slt_cli.video.stream import Clock
from tests.video.media import (
    cut,
    picture,
    turn,
    write_video,
    zero_hole,
)


def read(path: Path) -> tuple[list[Frame], VideoReader]:
    with VideoReader(path) as reader:
        return list(reader), reader


def plain_count(path: Path) -> int:
    """Frames that the usual decoding loop gets before it stops."""
    count = 0
    with av.open(str(path)) as container:
        try:
            for _ in container.decode(video=0):
                count += 1
        except av.FFmpegError:
            pass
    return count


def test_whole_video_gives_every_frame_and_no_damage(tmp_path: Path) -> None:
    frames, reader = read(write_video(tmp_path / "a.mp4"))
    assert [f.index for f in frames] == list(range(100))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(100) / 25, atol=1e-9)
    for i in (0, 50, 99):
        assert np.abs(frames[i].rgb.astype(int) - picture(i, 64, 48)).mean() < 6
    assert not reader.damage.is_damaged
    assert reader.damage.describe() == ""
    assert reader.damage.last_s == pytest.approx(reader.damage.expected_s)


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_cut_matroska_is_found_by_its_duration_alone(tmp_path: Path, share: float) -> None:
    frames, reader = read(cut(write_video(tmp_path / "a.mkv"), share))
    assert 0 < len(frames) < 100
    assert reader.damage.is_truncated
    assert "instead of 4.00 s" in reader.damage.describe()


def test_cut_fast_start_mp4_keeps_its_first_frames(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "a.mp4", movflags="faststart"), 0.6)
    frames, reader = read(path)
    assert 10 < len(frames) < 95
    assert reader.damage.is_truncated
    assert reader.damage.is_damaged


def test_hole_in_the_middle_costs_only_what_is_in_it(tmp_path: Path) -> None:
    path = zero_hole(write_video(tmp_path / "a.mp4"), 0.2)
    frames, reader = read(path)
    assert len(frames) > 1.3 * plain_count(path)
    assert len(frames) < 100
    assert reader.damage.bad_packets > 0
    assert reader.damage.gaps > 0
    assert not reader.damage.is_truncated


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    times = [0, 3, 4, 20, 21, 60, 64, 65]
    frames, reader = read(write_video(tmp_path / "a.mkv", frames=8, times=times))
    np.testing.assert_allclose([f.time_s for f in frames], np.array(times) / 100, atol=1e-9)
    assert reader.damage.gaps > 0
    assert not reader.damage.is_damaged


@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=20))
def test_times_always_increase_and_repairs_are_counted(pts: list[int | None]) -> None:
    clock = Clock(0.04, Fraction(1, 25))
    times = [clock.tell(SimpleNamespace(pts=p, duration=1)) for p in pts]
    assert all(b > a for a, b in pairwise(times))
    kept = sum(p is not None and t == p / 25 for p, t in zip(pts, times, strict=True))
    assert kept >= len(pts) - clock.repaired
    if None not in pts and all(b > a for a, b in pairwise(pts)):
        assert clock.repaired == 0


def test_rotation_is_applied_once_as_opencv_applies_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4", frames=3)
    turn(path)
    frames, reader = read(path)
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    upright = capture.read()[1][..., ::-1]
    assert frames[0].rgb.shape == upright.shape == (64, 48, 3)
    assert np.abs(frames[0].rgb.astype(int) - upright).mean() < 6
    assert (reader.info.width, reader.info.height) == (48, 64)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("ten_bit.mp4", "libx264", "yuv420p10le", (64, 48)),
        ("odd.mp4", "libx264", "yuv444p", (51, 37)),
        ("alpha.mov", "png", "rgba", (33, 17)),
        ("grey.mkv", "ffv1", "gray", (31, 21)),
        ("one_pixel.mp4", "libx264", "yuv444p", (1, 1)),
    ],
)
def test_any_pixel_format_and_size_becomes_rgb(
    tmp_path: Path, name: str, codec: str, pixels: str, size: tuple[int, int]
) -> None:
    path = write_video(tmp_path / name, frames=4, codec=codec, pixels=pixels, size=size)
    frames, _ = read(path)
    assert len(frames) == 4
    assert frames[0].rgb.shape == (size[1], size[0], 3)
    assert frames[0].rgb.dtype == np.uint8
    green = picture(0, *size)[..., 1].astype(int)
    assert np.abs(frames[0].rgb[..., 1] - green).mean() < (30 if pixels == "gray" else 6)


def test_change_of_size_is_an_error_with_its_time(tmp_path: Path) -> None:
    small = write_video(tmp_path / "a.ts", frames=10)
    large = write_video(tmp_path / "b.ts", frames=10, size=(96, 64))
    small.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(InputError, match=r"64 x 48 to 96 x 64 at \d"):
        read(small)


def test_video_without_a_frame_is_bad_input(tmp_path: Path) -> None:
    path = zero_hole(write_video(tmp_path / "a.mp4", frames=10), 1.0)
    with pytest.raises(InputError, match="not one frame"):
        read(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_random_damage_never_gives_another_kind_of_error(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = write_video(tmp_path / name, frames=12, codec=codec)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    for _ in range(25):
        broken = data.copy()
        places = rng.integers(0, len(data), rng.integers(1, 60))
        broken[places] = rng.integers(0, 256, len(places))
        path.write_bytes(broken[: rng.integers(len(data) // 3, len(data) + 1)].tobytes())
        try:
            frames, reader = read(path)
        except SltError:
            continue
        assert reader.damage.frames == len(frames) > 0
        assert all(b.time_s > a.time_s for a, b in pairwise(frames))


@pytest.mark.real
def test_real_clips_are_whole_and_start_when_they_start(real_data: Path) -> None:
    expected = {
        "Zug": 171, "Zug2": 41, "asl_different": 64, "asl_house": 73, "signing_test_video": 58,
    }  # fmt: skip
    for name, count in expected.items():
        frames, reader = read(real_data / "clips" / f"{name}.mp4")
        assert len(frames) == reader.info.num_frames == count
        assert not reader.damage.is_damaged
        assert frames[0].time_s == (0.08 if name == "asl_house" else 0.0)


@pytest.mark.parametrize("frames", [None, 7])
def test_nothing_of_a_read_video_waits_for_the_garbage_collector(
    tmp_path: Path, frames: int | None
) -> None:
    path = turn(write_video(tmp_path / "a.mp4"))

    def read_some() -> None:
        with VideoReader(path, span=(0.5, None)) as reader:
            for frame in reader:
                if frame.index == frames:
                    break

    read_some()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)  # garbage of other tests' threads may come in between
    try:
        read_some()
        gc.collect()
        left = [x for x in gc.garbage if type(x).__module__.startswith(("av", "slt_cli"))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []
