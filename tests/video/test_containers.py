from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slt_cli.video.containers import file_state
from tests.video.media import write_video

FILES: dict[str, dict[str, Any]] = {
    "a.mp4": {},
    "early.mp4": {"movflags": "faststart"},
    "fragmented.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "a.mov": {},
    "a.mkv": {},
    "a.webm": {"codec": "libvpx", "encoder": {"deadline": "realtime", "g": "10"}},
    "a.avi": {},
    "a.gif": {"codec": "gif", "pixels": "rgb8"},
}


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_whole_and_cut_ones_cut(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, frames=30, **FILES[name])
    assert file_state(path) == "whole"
    data = path.read_bytes()
    for size in (len(data) - 3, len(data) * 2 // 3, len(data) // 3):
        path.write_bytes(data[:size])
        assert file_state(path) == "cut"


def test_live_recording_without_lengths(tmp_path: Path) -> None:
    path = write_video(tmp_path / "live.mkv", frames=30, live="1")
    assert file_state(path) == "whole"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert file_state(path) == "cut"


@pytest.mark.parametrize("live", ["0", "1"])
def test_zeros_in_place_of_a_matroska_block_break_it(tmp_path: Path, live: str) -> None:
    path = write_video(tmp_path / "a.mkv", frames=30, live=live)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    assert file_state(path) == "broken"


def test_what_follows_the_segment_does_no_harm(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", frames=3)
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert file_state(path) == "whole"


def test_other_files_have_nothing_to_say(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(b"G" * 1000)
    assert file_state(path) == "whole"
    path.write_bytes(b"")
    assert file_state(path) == "cut"
