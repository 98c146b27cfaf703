"""Damaged copies of a clip: read with a report or refused, quickly, and never taken for whole."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.video.containers import file_state
from slt_cli.video.damage import DamageReport
from slt_cli.video.decode import VideoReader
from tests.video.media import write_video
from tests.video.mutate import copies, in_container, zero
from tests.video.test_decode import plain_count


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


def read(path: Path) -> DamageReport | None:
    """The report of a file; None if it is refused."""
    try:
        with VideoReader(path) as reader:
            count = sum(1 for _ in reader)
    except InputError:
        return None
    assert reader.damage.frames == count > 0
    return reader.damage


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_no_copy_is_taken_for_whole(clip: Path, tmp_path: Path, container: str) -> None:
    frames = 60 if container == "webm" else 100
    made = copies(clip, tmp_path, (container,), count=30, seed=1)
    outcomes = []
    for path in made:
        started = time.monotonic()
        damage = read(path)
        assert time.monotonic() - started < 5
        if damage is not None:
            kind = path.stem.rsplit("-", 1)[1]
            lost = damage.frames < frames
            # A flipped byte in a block's number of a track hides a frame from everybody.
            assert damage.is_damaged or not lost or kind == "flip", path.name
            assert damage.is_truncated or kind != "cut", path.name
        outcomes.append(damage is not None and damage.is_damaged)
    assert sum(outcomes) > len(made) / 2


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_the_same_seed_gives_the_same_copies(clip: Path, tmp_path: Path, container: str) -> None:
    one = copies(clip, tmp_path / "a", (container,), count=6, seed=4)
    again = copies(clip, tmp_path / "b", (container,), count=6, seed=4)
    other = copies(clip, tmp_path / "c", (container,), count=6, seed=5)
    assert [p.name for p in one] == [p.name for p in again]
    assert [p.read_bytes() for p in one[1:]] == [p.read_bytes() for p in again[1:]]
    assert sum(a.read_bytes() != b.read_bytes() for a, b in zip(one, other, strict=True)) >= 5
    for path in (tmp_path / "a" / "whole").iterdir():
        assert file_state(path) == "whole"
        report = read(path)
        assert report is not None
        assert not report.is_damaged


def test_far_more_frames_survive_a_hole_than_in_the_usual_loop(clip: Path, tmp_path: Path) -> None:
    whole = in_container(clip, tmp_path / "in", "mp4")[0].read_bytes()
    path = tmp_path / "hole.mp4"
    kept, plain = [], []
    for at in np.linspace(0.15, 0.5, 6):
        path.write_bytes(zero(whole, float(at), 0.1))
        report = read(path)
        assert report is not None
        assert report.is_damaged
        kept.append(report.frames)
        plain.append(plain_count(path))
    assert min(kept) >= 71
    assert np.mean(plain) < 0.5 * np.mean(kept)


@pytest.mark.real
def test_copies_of_real_clips_are_not_taken_for_whole(real_data: Path, tmp_path: Path) -> None:
    for name in ("Zug2", "asl_different"):
        folder = tmp_path / name
        made = copies(real_data / "clips" / f"{name}.mp4", folder, count=9)
        frames = {}
        for path in (folder / "whole").iterdir():
            report = read(path)
            assert report is not None
            assert not report.is_damaged
            frames[path.suffix] = report.frames
        for path in made:
            report = read(path)
            if report is not None and not report.is_damaged:
                assert report.frames == frames[path.suffix], path.name
                assert not path.stem.endswith("cut"), path.name
