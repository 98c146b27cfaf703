from __future__ import annotations

import os
from pathlib import Path

import pytest

from slt_cli.errors import UsageError
from slt_cli.pipelines.extraction.inputs import clip_id, find_videos


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_give_their_videos_sorted_and_files_are_taken_as_named(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    touch(folder / "b.MP4", folder / "a.webm", folder / "notes.txt", folder / ".hidden.mp4")
    touch(folder / "deeper" / "c.mp4", tmp_path / "odd.bin")
    found = find_videos([tmp_path / "odd.bin", str(folder)])
    assert [video_id for video_id, _ in found] == ["odd", "a", "b"]


def test_same_file_twice_is_done_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    found = find_videos([tmp_path / "a.mp4", tmp_path, tmp_path / "." / "a.mp4"])
    assert found == [("a", tmp_path / "a.mp4")]


@pytest.mark.parametrize(("one", "two"), [("x/a.mp4", "y/a.mov"), ("x/a.mp4", "y/A.mp4")])
def test_two_files_of_one_id_are_refused_by_name(tmp_path: Path, one: str, two: str) -> None:
    touch(tmp_path / one, tmp_path / two)
    with pytest.raises(UsageError) as caught:
        find_videos([tmp_path / one, tmp_path / two])
    assert one in caught.value.message
    assert two in caught.value.message


def test_missing_and_empty_places_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "clips" / "notes.txt", tmp_path / "house.mp4")
    with pytest.raises(UsageError, match="holds no video"):
        find_videos([tmp_path / "clips"])
    with pytest.raises(UsageError) as caught:
        find_videos([tmp_path / "hose.mp4"])
    assert "house.mp4" in str(caught.value.hint)
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(UsageError, match="leads nowhere"):
        find_videos([tmp_path / "dangling.mp4"])
    with pytest.raises(UsageError, match="no video given"):
        find_videos([])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", "plain"), ("two words", "two words"), ("-dash", "-dash"), ("señal", "señal"),
        ("se\u006e\u0303al", "señal"), ("a\nb", "a_b"), ("🤟", "🤟"),
        (os.fsdecode(b"\xff"), "\\xff"),
    ],
)  # fmt: skip
def test_ids_can_stand_in_tables_and_json(name: str, expected: str) -> None:
    video_id = clip_id(Path(f"{name}.mp4"))
    assert video_id == expected
    video_id.encode()
