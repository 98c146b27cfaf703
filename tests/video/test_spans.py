"""Spans of a video against one pass over the whole of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.video import decode
from slt_cli.video.damage import DamageReport, merge_damage
from slt_cli.video.decode import Frame, VideoReader
from slt_cli.video.stream import FrameStream
from tests.video.media import cut, write_video, zero_hole
from tests.video.mutate import in_container

B_FRAMES = {"g": "30", "bf": "3", "preset": "veryfast", "b-pyramid": "normal"}
LONG = {"g": "250", "bf": "2", "preset": "veryfast", "sc_threshold": "0"}
QUICK_VPX = {"g": "20", "deadline": "realtime", "cpu-used": "8"}
VARIABLE = [0, 3, 4, 20, 21, 40, 64, 65, 70, 71, 90, 120, 121, 122, 160, 161, 200, 201, 230, 240]

FILES: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"encoder": B_FRAMES},
    "one_key.mp4": {"encoder": LONG},
    "open_gop.mkv": {"encoder": {**B_FRAMES, "x264-params": "open-gop=1"}},
    "fragmented.mp4": {"encoder": B_FRAMES, "movflags": "frag_keyframe+empty_moov"},
    "every_packet.mp4": {"movflags": "frag_every_frame+empty_moov"},
    "live.mkv": {"encoder": B_FRAMES, "live": "1"},
    "vp9.webm": {"codec": "libvpx-vp9", "encoder": QUICK_VPX},
    "hidden.webm": {"codec": "libvpx", "encoder": {"g": "20", "auto-alt-ref": "1",
                                                  "lag-in-frames": "10"}},
    "variable.mkv": {"frames": 20, "times": VARIABLE, "encoder": {"g": "5", "bf": "2"}},
    "open.mov": {"codec": "qtrle", "pixels": "rgb24"},
    "picture.gif": {"codec": "gif", "pixels": "rgb8"},
    "broadcast.ts": {"encoder": B_FRAMES},
    "old.avi": {"codec": "mpeg4", "encoder": {"g": "12", "bf": "2"}},
    "reordered.avi": {"encoder": B_FRAMES},
    "raw.h264": {"encoder": B_FRAMES},
    "hevc.mp4": {"codec": "libx265", "encoder": {"x265-params": "log-level=none:keyint=20"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spans")
    for name, options in FILES.items():
        write_video(folder / name, **{"frames": 60, **options})
    return folder


def read(path: Path, *cuts: float) -> tuple[list[Frame], list[DamageReport]]:
    """Frames of the spans that begin and end at `cuts`, joined, and the report of each."""
    frames, reports = [], []
    bounds = [None, *cuts, None]
    for i in range(len(cuts) + 1):
        with VideoReader(path, span=(bounds[i], bounds[i + 1])) as reader:
            frames += list(reader)
        reports.append(reader.damage)
    return frames, reports


def assert_same(found: list[Frame], expected: list[Frame]) -> None:
    assert [f.time_s for f in found] == [f.time_s for f in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("name", FILES)
def test_spans_give_together_what_one_pass_gives(videos: Path, name: str) -> None:
    whole, [damage] = read(videos / name)
    times = [f.time_s for f in whole]
    assert len(whole) == FILES[name].get("frames", 60)
    rng = np.random.default_rng(3)
    cuts = [
        sorted(rng.uniform(-0.1, times[-1] + 0.1, 3)),  # anywhere
        sorted(rng.choice(times, 3, replace=False)),  # exactly at frames
        [times[1], times[-1], times[-1] + 1],
    ]
    for bounds in cuts:
        parts, reports = read(videos / name, *map(float, bounds))
        assert_same(parts, whole)
        merged = merge_damage(reports)
        for key in ("frames", "corrupt_frames", "bad_packets", "pts_repaired", "is_truncated"):
            assert merged.as_dict()[key] == damage.as_dict()[key], key
        assert (merged.first_s, merged.last_s) == (damage.first_s, damage.last_s)
        if "variable" not in name:
            assert merged.gaps == damage.gaps == 0


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.mkv", "vp9.webm", "broadcast.ts"])
def test_a_late_span_is_reached_by_seeking(
    videos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    tell = FrameStream._told
    monkeypatch.setattr(FrameStream, "_told", lambda *a: decoded.append(1) or tell(*a))
    with VideoReader(videos / name, span=(2.2, 2.3)) as reader:
        assert len(list(reader)) > 0
    assert len(decoded) < 30


def test_without_seeking_the_span_is_the_same(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = read(videos / "b_frames.mp4")
    monkeypatch.setattr(FrameStream, "_from_key_frame", lambda *args: iter(()))
    parts, _ = read(videos / "b_frames.mp4", 0.3, 1.7)
    assert_same(parts, whole)


def test_refused_frames_are_counted_but_not_converted(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted, asked = [], []
    convert = decode.rgb_picture
    monkeypatch.setattr(decode, "rgb_picture", lambda *a: converted.append(1) or convert(*a))

    def keep(time_s: float) -> bool:
        asked.append(time_s)
        return len(asked) % 10 == 1

    with VideoReader(videos / "b_frames.mp4", span=(0.4, 2.0), keep=keep) as reader:
        frames = list(reader)
    np.testing.assert_allclose(asked, np.arange(10, 50) / 25)
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(10, 50, 10) / 25)
    assert [f.index for f in frames] == [0, 10, 20, 30]
    assert len(converted) == 4
    assert reader.damage.frames == 40
    assert (reader.damage.gaps, reader.damage.step_s) == (0, pytest.approx(0.04))


def test_span_after_the_end_is_empty_and_whole(videos: Path) -> None:
    with VideoReader(videos / "b_frames.mp4", span=(5.0, 6.0)) as reader:
        assert list(reader) == []
    assert not reader.damage.is_damaged


def test_a_lost_key_frame_is_treated_as_in_one_pass(tmp_path: Path) -> None:
    path = zero_hole(write_video(tmp_path / "a.mp4"), 0.05)
    whole, [damage] = read(path)
    assert damage.bad_packets
    for bounds in [(1.9, 2.1), (1.96, 2.0), (2.04, 2.5)]:
        parts, reports = read(path, *bounds)
        assert_same(parts, whole)
        merged = merge_damage(reports)
        assert (merged.bad_packets, merged.gaps) == (damage.bad_packets, damage.gaps)
        assert reports[0].bad_packets < damage.bad_packets or not reports[1].bad_packets


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_only_a_span_that_reaches_a_cut_is_truncated(tmp_path: Path, container: str) -> None:
    video = write_video(tmp_path / "a.mp4")
    path = cut(in_container(video, tmp_path / "in", container)[0], 0.6)
    frames, [whole] = read(path)
    end_s = frames[-1].time_s
    assert 1 < end_s < 3
    assert whole.is_truncated
    _, reports = read(path, end_s - 0.5, end_s + 0.5, end_s + 0.9)
    assert [r.is_truncated for r in reports] == [False, True, True, True]
    merged = merge_damage(reports)
    assert (merged.frames, merged.expected_s) == (whole.frames, whole.expected_s)
    assert merged.describe() == whole.describe()
