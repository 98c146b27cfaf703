from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slt_cli.errors import InputError, UsageError
from slt_cli.video.decode import Frame
from slt_cli.video.frames_folder import FolderReader, frame_files, is_frames_folder
from slt_cli.video.source import open_source, sample_frames
from tests.video.media import picture


def write(
    folder: Path, pattern: str, numbers: range | list[int], size: tuple[int, int] = (32, 24)
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        Image.fromarray(picture(i, *size)).save(folder / (pattern % i))
    return folder


def read(folder: Path, **options: Any) -> tuple[list[Frame], FolderReader]:
    with FolderReader(folder, **options) as reader:
        return list(reader), reader


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("images%04d.png", 1),  # RWTH-PHOENIX-Weather 2014 T
        ("%06d.jpg", 0),  # CSL-Daily
        ("img_%05d.jpeg", 1),
        ("frame-%d.BMP", 8),  # 8, 9, 10, 11: not in the order of their names
        ("01April_2010_heute.avi_pid0_fn%06d-0.png", 0),  # RWTH-PHOENIX-Weather 2014
        ("%d.webp", 95),
    ],
)
def test_numbered_pictures_are_one_video(tmp_path: Path, pattern: str, first: int) -> None:
    folder = write(tmp_path / "clip", pattern, range(first, first + 12))
    assert is_frames_folder(folder)
    frames, reader = read(folder)
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(12) / 25)
    for i, frame in enumerate(frames):
        assert np.abs(frame.rgb.astype(int) - picture(first + i, 32, 24)).mean() < 4
    info = reader.info
    assert (info.width, info.height, info.num_frames, info.fps) == (32, 24, 12, Fraction(25))
    assert info.duration_s == pytest.approx(12 / 25)
    assert not reader.damage.is_damaged
    assert reader.damage.gaps == 0
    assert reader.damage.last_s == pytest.approx(12 / 25)


def test_phoenix_keeps_the_pictures_in_a_subfolder(tmp_path: Path) -> None:
    write(tmp_path / "clip" / "1", "images%04d.png", range(1, 4))
    assert is_frames_folder(tmp_path / "clip")
    assert is_frames_folder(tmp_path / "clip" / "1")
    assert len(read(tmp_path / "clip")[0]) == 3
    (tmp_path / "clip" / "2").mkdir()
    assert not is_frames_folder(tmp_path / "clip")


def test_what_is_no_folder_of_frames(tmp_path: Path) -> None:
    single = write(tmp_path / "single", "%d.png", range(1))
    names = write(tmp_path / "two_clips", "a_%d.png", range(3))
    write(names, "b_%d.png", range(3))
    crops = tmp_path / "crops"
    for clip in (1, 2):
        write(crops, f"clip{clip}_f%04d.png", range(3))
    videos = write(tmp_path / "beside", "%d.png", range(3))
    (videos / "film.mp4").touch()
    for folder in (tmp_path, single, names, crops, videos, single / "0.png"):
        assert not is_frames_folder(folder)
    with pytest.raises(InputError, match="no numbered pictures"), FolderReader(videos):
        pass
    with pytest.raises(InputError, match="2 series of"), FolderReader(names):
        pass
    with pytest.raises(UsageError, match="no such file"), FolderReader(tmp_path / "away"):
        pass


def test_other_files_do_not_disturb(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%04d.png", range(3))
    for name in ("Thumbs.db", "notes.txt", "cover.png", "title 1.png", "._0001.png"):
        (folder / name).touch()
    assert [p.name for p in frame_files(folder)] == ["0000.png", "0001.png", "0002.png"]


def test_missing_numbers_leave_gaps_in_time(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%d.png", [3, 4, 5, 9, 10, 11])
    frames, reader = read(folder, frames_fps=10.0)
    np.testing.assert_allclose([f.time_s for f in frames], [0, 0.1, 0.2, 0.6, 0.7, 0.8])
    assert reader.damage.gaps == 1
    assert not reader.damage.is_damaged


def test_unreadable_pictures_are_counted_and_skipped(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%d.png", range(10))
    (folder / "0.png").write_bytes(b"")
    cut = folder / "4.png"
    cut.write_bytes(cut.read_bytes()[:60])
    (folder / "7.png").write_bytes(b"<html>" * 100)
    frames, reader = read(folder)
    np.testing.assert_allclose([25 * f.time_s for f in frames], [1, 2, 3, 5, 6, 8, 9])
    assert (reader.damage.bad_packets, reader.damage.gaps) == (3, 2)
    assert reader.damage.is_damaged
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the 10 pictures"), FolderReader(folder):
        pass


def test_another_size_is_an_error_that_names_the_picture(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%d.png", range(3))
    write(folder, "%d.png", [3], size=(40, 24))
    with pytest.raises(InputError, match="40 x 24") as caught:
        read(folder)
    assert caught.value.where == str(folder / "3.png")


def test_the_same_number_twice_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%d.png", range(3))
    write(folder, "%04d.png", [2])
    with pytest.raises(InputError, match=r"0002\.png and 2\.png"):
        read(folder)


def test_spans_and_keep_open_only_what_is_wanted(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%02d.png", range(20))
    for i in range(20):
        if i not in (6, 9):
            (folder / f"{i:02d}.png").write_bytes(b"nothing")
    Image.fromarray(picture(0, 32, 24)).save(folder / "00.png")
    with open_source(
        folder, span=(0.5, 1.0), frames_fps=10.0, keep=lambda t: round(10 * t) in (6, 9)
    ) as source:
        frames = list(source)
    assert [(f.index, round(10 * f.time_s)) for f in frames] == [(1, 6), (4, 9)]
    assert (source.damage.frames, source.damage.bad_packets) == (5, 0)
    assert (source.damage.first_s, source.damage.last_s) == (0.5, pytest.approx(1.0))


def test_samples_are_spread_over_the_span(tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", "%02d.png", range(20))
    found = [int(rgb[-1, -1, 2]) // 2 for rgb in sample_frames(folder, 4, frames_fps=10.0)]
    assert found == [0, 5, 10, 15]
    found = sample_frames(folder, 2, span=(1.0, 1.4), frames_fps=10.0)
    assert [int(rgb[-1, -1, 2]) // 2 for rgb in found] == [10, 12]
    assert len(sample_frames(folder, 50, frames_fps=10.0)) == 20


def test_any_kind_of_picture_becomes_rgb(tmp_path: Path) -> None:
    grey = np.arange(32 * 24, dtype=np.uint16).reshape(24, 32) * 80
    clear = np.dstack([np.full((24, 32, 3), 200), np.tile([0, 255], (24, 16))]).astype(np.uint8)
    red = Image.new("RGB", (32, 24), (255, 0, 0))
    kinds = {
        "sixteen": (Image.fromarray(grey), (grey[12, 20] >> 8).repeat(3)),
        "clear": (Image.fromarray(clear), [0, 0, 0]),
        "palette": (red.convert("P"), [255, 0, 0]),
        "bits": (Image.new("1", (32, 24), 1), [255, 255, 255]),
    }
    for name, (image, expected) in kinds.items():
        folder = tmp_path / name
        folder.mkdir()
        for i in range(2):
            image.save(folder / f"{i}.png")
        np.testing.assert_array_equal(read(folder)[0][0].rgb[12, 20], expected)
    folder = tmp_path / "cmyk"
    folder.mkdir()
    for i in range(2):
        red.convert("CMYK").save(folder / f"{i}.jpg")
    assert np.abs(read(folder)[0][0].rgb[12, 20].astype(int) - [255, 0, 0]).max() < 40


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    for i in range(2):
        Image.fromarray(picture(0, 32, 24)).save(tmp_path / f"{i}.png", exif=exif)
    frames, reader = read(tmp_path)
    np.testing.assert_array_equal(frames[0].rgb, np.rot90(picture(0, 32, 24), -1))
    assert (reader.info.width, reader.info.height) == (24, 32)


def test_gigantic_pictures_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "clip", "%d.png", range(2))
    monkeypatch.setattr("slt_cli.video.pictures.MAX_PIXELS", 32 * 24 - 1)
    with pytest.raises(InputError, match="more than 767 pixels"):
        read(folder)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="pixels"):
        read(folder)


def test_a_locked_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(InputError, match="no permission") as caught:
        is_frames_folder(tmp_path)
    assert caught.value.where == str(tmp_path)
