from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from slt_cli.errors import UsageError
from slt_cli.pipelines.extraction.inputs import clip_id, find_sources, names_from, source_id


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*names: Path, leave_out: Path | None = None) -> list[str]:
    inputs = find_sources([str(name) for name in names], leave_out=leave_out)
    return [source.video_id for source in inputs.sources]


def test_folders_are_searched_in_order_and_files_are_taken_as_named(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    touch(folder / "b.MP4", folder / "a.webm", folder / "notes.txt", folder / ".hidden.mp4")
    touch(folder / "deeper" / "c.mp4", tmp_path / "odd.bin", folder / ".cache" / "d.mp4")
    assert found(tmp_path / "odd.bin", folder) == ["odd", "a", "b", "c"]


def test_the_corpus_itself_is_not_searched(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "corpus" / "overlay" / "a.mp4")
    assert found(tmp_path, leave_out=tmp_path / "corpus") == ["a"]


def test_patterns_are_expanded_where_the_shell_did_not(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.mp4", tmp_path / "x" / "b.mov", tmp_path / "[1].mp4")
    assert found(tmp_path / "**" / "*.m*") == ["[1]", "a", "b"]
    assert found(tmp_path / "[1].mp4") == ["[1]"]  # a file of that name comes first
    with pytest.raises(UsageError, match="no file matches"):
        found(tmp_path / "*.webm")


def test_a_folder_of_numbered_pictures_is_one_video(tmp_path: Path) -> None:
    for name in ("signs/images0001.png", "signs/images0002.png", "more/1/0.png", "more/1/1.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    assert found(tmp_path) == ["more", "signs"]


def test_same_file_twice_is_done_once_with_a_note(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    inputs = find_sources([str(tmp_path / "a.mp4"), str(tmp_path)])
    assert [source.path for source in inputs.sources] == [tmp_path / "a.mp4"]
    assert inputs.notes == [f"{tmp_path / 'link.mp4'} is listed twice and read once"]


@pytest.mark.parametrize(("one", "two"), [("x/a.mp4", "y/a.mov"), ("x/a.mp4", "y/A.mp4")])
def test_two_files_of_one_id_are_refused_by_name(tmp_path: Path, one: str, two: str) -> None:
    touch(tmp_path / one, tmp_path / two)
    with pytest.raises(UsageError) as caught:
        found(tmp_path / one, tmp_path / two)
    assert one in caught.value.message
    assert two in caught.value.message


def test_missing_and_empty_places_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "clips" / "notes.txt", tmp_path / "house.mp4")
    with pytest.raises(UsageError, match="holds no video"):
        found(tmp_path / "clips")
    hose = str(tmp_path / "hose.mp4")
    assert "house.mp4" in str(find_sources([hose]).missing[hose].hint)
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    dangling = str(tmp_path / "dangling.mp4")
    assert "leads nowhere" in find_sources([dangling]).missing[dangling].message
    with pytest.raises(UsageError, match="no video given"):
        found()


def test_lists_are_read_by_line_or_by_nul(tmp_path: Path) -> None:
    listing = tmp_path / "list"
    listing.write_bytes(b"a b.mp4\r\n\n\xff.mp4\n")
    assert names_from(str(listing), null=False) == ["a b.mp4", os.fsdecode(b"\xff.mp4")]
    listing.write_bytes(b"new\nline.mp4\0b.mp4\0")
    assert names_from(str(listing), null=True) == ["new\nline.mp4", "b.mp4"]
    listing.write_bytes(b"\n")
    with pytest.raises(UsageError, match="names no video"):
        names_from(str(listing), null=False)


def test_a_folder_named_by_a_number_takes_the_name_above_it() -> None:
    assert source_id(Path("x/sentence_3.mp4")) == "sentence_3"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", "plain"), ("two words", "two words"), ("-dash", "-dash"), ("señal", "señal"),
        ("se\u006e\u0303al", "señal"), ("a\nb", "a_b"), ("🤟", "🤟"),
        (os.fsdecode(b"\xff"), "\\xff"), ("train/one", "train_one"), ("a;b", "a_b"),
    ],
)  # fmt: skip
def test_ids_can_stand_in_tables_and_json(name: str, expected: str) -> None:
    video_id = clip_id(name)
    assert video_id == expected
    video_id.encode()


def test_ids_leave_room_for_the_frame_in_a_file_name() -> None:
    long = clip_id("ñ" * 300 + "_17")
    assert len(f".{long}_f000000.jpg".encode()) < 255
    assert long.endswith("_17")
