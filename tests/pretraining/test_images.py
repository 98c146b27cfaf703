from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slt_cli.errors import InputError, Interrupted
from slt_cli.pretraining.images import find_images, read_image, usable_images


def save(path: Path, colour: tuple[int, int, int] = (200, 30, 30), size: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), colour).save(path)
    return path


def quiet(event: str, **facts: Any) -> None:
    pass


def test_all_formats_of_several_folders_are_found_in_a_fixed_order(tmp_path: Path) -> None:
    names = ["b/z.png", "a/2.JPG", "a/1.jpeg", "a/deep/3.bmp", "b/4.tiff", "b/5.webp", "b/6.tif"]
    for name in names:
        save(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    found = find_images([tmp_path / "b", tmp_path / "a", tmp_path / "a" / "deep"])
    relative = [str(path.relative_to(tmp_path)) for path in found]
    assert relative == [
        "b/4.tiff",
        "b/5.webp",
        "b/6.tif",
        "b/z.png",
        "a/1.jpeg",
        "a/2.JPG",
        "a/deep/3.bmp",
    ]


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found") as caught:
        find_images([tmp_path / "nowhere"])
    assert caught.value.where == str(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no images"):
        find_images([tmp_path])


def test_unreadable_and_black_images_are_left_out_and_counted(tmp_path: Path) -> None:
    good = [save(tmp_path / "good.jpg", size=300), save(tmp_path / "dark.png", (25, 25, 25))]
    black = [save(tmp_path / "black.jpg", (0, 0, 0)), save(tmp_path / "black.png", (0, 0, 0))]
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    cut = tmp_path / "cut.jpg"
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:20_000])
    text, empty = tmp_path / "text.png", tmp_path / "empty.jpg"
    text.write_text("<html>")
    empty.write_bytes(b"")
    found = usable_images([*good, *black, cut, text, empty], quiet, lambda: None)
    assert found.paths == good
    assert (found.unreadable, found.missing) == (3, 2)


def test_looking_at_the_images_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as caught:
        usable_images([save(tmp_path / "a.png")], quiet, lambda: 15)
    assert caught.value.exit_code == 143


def test_images_are_read_upright_and_in_rgb(tmp_path: Path) -> None:
    photo = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    photo.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").size == (20, 40)
    Image.new("RGBA", (8, 8), (10, 20, 30, 255)).save(tmp_path / "alpha.png")
    assert read_image(tmp_path / "alpha.png").getpixel((3, 3)) == (10, 20, 30)
    Image.new("P", (8, 8)).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").mode == "RGB"


def test_an_image_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "gone.png")
    assert caught.value.where == str(tmp_path / "gone.png")
