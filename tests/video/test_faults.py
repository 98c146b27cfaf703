"""Odd, damaged and hostile files, and what the reader makes of them."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from slt_cli.errors import InputError, SltError, UsageError
from slt_cli.video.decode import Frame, VideoReader
from slt_cli.video.probe import probe_video
from slt_cli.video.source import open_source, sample_frames
from tests.video.media import cut, write_video, write_with_sound


def read(path: Path) -> tuple[list[Frame], VideoReader]:
    with VideoReader(path) as reader:
        return list(reader), reader


def without_tag(path: Path) -> Path:
    """Hide the durations of the streams; that of the file stays."""
    data = path.read_bytes()
    assert b"DURATION" in data
    path.write_bytes(data.replace(b"DURATION", b"DURATIOX"))
    return path


@pytest.mark.parametrize("sound_s", [4.3, 8.0])
@pytest.mark.parametrize("tagged", [True, False])
def test_sound_may_outlast_the_pictures(tmp_path: Path, sound_s: float, tagged: bool) -> None:
    path = write_with_sound(tmp_path / "a.mkv", frames=100, sound_s=sound_s)
    frames, reader = read(path if tagged else without_tag(path))
    assert len(frames) == 100
    assert reader.info.duration_s == pytest.approx(4.0 if tagged else sound_s, abs=0.2)
    assert not reader.damage.is_damaged


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("tagged", [True, False])
def test_cut_matroska_with_sound_is_found(tmp_path: Path, share: float, tagged: bool) -> None:
    path = write_with_sound(tmp_path / "a.mkv", frames=100, sound_s=4.3)
    frames, reader = read(cut(path if tagged else without_tag(path), share))
    assert 0 < len(frames) < 100
    assert reader.damage.is_truncated


def test_cut_live_recording_without_any_duration_is_found(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "a.mkv", live="1"), 0.5)
    frames, reader = read(path)
    assert 0 < len(frames) < 100
    assert reader.info.duration_s is None or reader.info.duration_s < 3.5
    assert reader.damage.is_truncated


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.avi", "early.mp4", "fragmented.mp4"])
def test_even_a_few_lost_frames_of_a_cut_file_are_noticed(tmp_path: Path, name: str) -> None:
    flags = {"early.mp4": "faststart", "fragmented.mp4": "frag_keyframe+empty_moov"}.get(name)
    path = write_video(
        tmp_path / name, codec="libvpx" if "webm" in name else "libx264",
        encoder={"deadline": "realtime", "g": "10"} if "webm" in name else None,
        **({"movflags": flags} if flags else {}),
    )  # fmt: skip
    whole, reader = read(path)
    assert not reader.damage.is_damaged
    data = path.read_bytes()
    lost = 0
    for share in np.arange(0.7, 1.0, 0.03):
        path.write_bytes(data[: int(len(data) * share)])
        frames, reader = read(path)
        assert reader.damage.is_damaged or len(frames) == len(whole)
        lost += len(frames) < len(whole)
    assert lost


def test_cut_gif_is_found(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.gif", codec="gif", pixels="rgb8")
    assert not read(path)[1].damage.is_damaged
    _, reader = read(cut(path, 0.6))
    assert reader.damage.is_truncated
    assert "the file is cut" in reader.damage.describe()


def test_gif_keeps_the_time_of_each_picture(tmp_path: Path) -> None:
    times = [0, 10, 15, 50, 52]
    path = write_video(tmp_path / "a.gif", frames=5, times=times, codec="gif", pixels="rgb8")
    frames, _ = read(path)
    np.testing.assert_allclose([f.time_s for f in frames], np.array(times) / 100, atol=1e-9)


def test_reordered_frames_in_avi_keep_a_steady_pace(tmp_path: Path) -> None:
    encoder = {"g": "30", "bf": "3", "preset": "veryfast", "b-pyramid": "normal"}
    frames, _ = read(write_video(tmp_path / "a.avi", frames=60, encoder=encoder))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(60) / 25, atol=1e-9)
    blue = np.array([f.rgb[-1, -1, 2] for f in frames], int)
    np.testing.assert_allclose(blue, 2 * np.arange(60), atol=8)


def test_a_declared_billion_of_seconds_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", frames=5, write_crc32="0")
    data = path.read_bytes()
    assert b"00:00:00.200000000" in data
    path.write_bytes(data.replace(b"00:00:00.200000000", b"9999999:00:00.0000"))
    started = time.monotonic()
    frames, reader = read(path)
    assert len(frames) == 5
    assert reader.info.duration_s > 1e9
    assert reader.damage.is_truncated
    assert len(sample_frames(path, 3)) >= 1
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(("box", "offset"), [(b"stts", 12), (b"stsz", 12), (b"stsc", 12)])
def test_a_declared_billion_of_frames_costs_nothing(
    tmp_path: Path, box: bytes, offset: int
) -> None:
    path = write_video(tmp_path / "a.mp4", frames=50)
    data = bytearray(path.read_bytes())
    at = data.index(box) + offset
    data[at : at + 4] = (10**9).to_bytes(4, "big")
    path.write_bytes(data)
    started, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(InputError):
        assert len(read(path)[0]) <= 50
    assert time.monotonic() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 100_000  # KiB


@pytest.mark.parametrize("name", ["10:30.mp4", "-i.mp4", "a b\n🤟.mp4", "%03d.mp4"])
def test_any_name_can_be_opened(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(name))[0]) == 3


def test_names_need_not_be_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    write_video(tmp_path / "a.mp4", frames=3).rename(path)
    assert len(read(path)[0]) == 3


def test_playlists_lead_nowhere(tmp_path: Path) -> None:
    write_video(tmp_path / "a.ts", frames=3)
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n#EXT-X-ENDLIST\n")
    started = time.monotonic()
    with pytest.raises(InputError):
        read(path)
    assert time.monotonic() - started < 2


def test_links_pipes_and_locked_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dangling, looping, pipe = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4"
    dangling.symlink_to(tmp_path / "away.mp4")
    looping.symlink_to(looping)
    os.mkfifo(pipe)
    for link in (dangling, looping):
        with pytest.raises(UsageError, match="leads nowhere") as caught:
            probe_video(link)
        assert caught.value.where == str(link)
    with pytest.raises(InputError, match="a pipe or a device"):
        probe_video(pipe)

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    locked = write_video(tmp_path / "d.mp4", frames=1)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        probe_video(locked)


def test_repeated_and_negative_times_are_put_in_order(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", frames=6, times=[0, 4, 8, 12, 16, 20])
    data = bytearray(path.read_bytes())
    at, places = data.index(b"\x1f\x43\xb6\x75"), []
    while (at := data.find(b"\xa3", at + 1)) >= 0:  # SimpleBlock, length, track 1, time
        width = 9 - data[at + 1].bit_length() if data[at + 1] else 0
        if width and data[at + 1 + width] == 0x81:
            places.append(at + 2 + width)
    assert len(places) == 6
    for place, ticks in zip(places, [0, 40, 40, 20, 160, 200], strict=True):
        data[place : place + 2] = ticks.to_bytes(2, "big")
    path.write_bytes(data)
    frames, reader = read(path)
    assert len(frames) == 6
    assert all(b.time_s > a.time_s for a, b in pairwise(frames))
    assert reader.damage.pts_repaired == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.gif", "raw.h264"])
def test_samples_are_different_pictures_of_the_span(tmp_path: Path, name: str) -> None:
    gif = {"codec": "gif", "pixels": "rgb8"} if "gif" in name else {}
    path = write_video(tmp_path / name, **gif)
    for span in [(None, None)] if gif else [(None, None), (1.0, 3.0)]:
        pictures = sample_frames(path, 2, span=span)
        blue = [int(rgb[-1, -1, 2]) / 2 for rgb in pictures]
        assert len(blue) == 2
        assert blue[1] > blue[0] + 4
        if span[0] is not None:
            assert all(25 - 5 <= b <= 75 + 5 for b in blue)


def test_one_picture_is_a_sample_of_itself(tmp_path: Path) -> None:
    assert len(sample_frames(write_video(tmp_path / "a.mp4", frames=1), 5)) == 1


def test_a_folder_that_is_no_video_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SltError, match="no numbered pictures"), open_source(tmp_path):
        pass
