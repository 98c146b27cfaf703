"""Which images a folder offers: readable, and not the black stand-in for a missing crop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from slt_cli.data.crop_files import corpus_crops, open_file, packed_corpus
from slt_cli.errors import InputError, Interrupted

Report = Callable[..., None]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tiff", ".tif", ".webp"})
BLACK = 8  # brightest grey value (of 255) of a crop that counts as black; JPEG is rarely exact
_PROBE = (16, 16)  # JPEG decodes at reduced size for the check: an eighth of the work
_BLOCK = 512  # images looked at between two reports


@dataclass(frozen=True)
class ImageSet:
    """Images to train on, and how many were left out for which reason."""

    paths: list[Path]
    unreadable: int
    missing: int


def is_image_folder(folder: Path) -> bool:
    """Whether images can be looked for in `folder`, which packing may have emptied or removed."""
    return folder.is_dir() or packed_corpus(folder) is not None


def find_images(folders: Iterable[Path]) -> list[Path]:
    """All image files below the folders, each once, in an order that depends on names only.

    Crops that are packed in the shards of a corpus are among them under the path they had in
    CORPUS/face, hand_l or hand_r, even when that folder is empty or gone. Raises `InputError` for a
    folder that does not exist or when there is no image at all.
    """
    folders = list(folders)
    found: dict[Path, None] = {}
    for folder in folders:
        if not is_image_folder(folder):
            raise InputError("image folder not found", where=str(folder), hint="check --train-dir")
        crops = corpus_crops(folder)
        files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        found.update(dict.fromkeys(sorted({*crops, *(path for path in files if path.is_file())})))
    if not found:
        raise InputError(
            "no images (png, jpg, jpeg, bmp, tiff, webp)",
            where=", ".join(map(str, folders)),
            hint="extract crops first: slt extract --help",
        )
    return list(found)


def usable_images(
    paths: Sequence[Path], report: Report, should_stop: Callable[[], int | None]
) -> ImageSet:
    """Look into every file and leave out the unreadable ones and the black ones.

    Raises `Interrupted` when `should_stop` returns a signal.
    """
    counts = {"usable": 0, "unreadable": 0, "missing": 0}
    kept: list[Path] = []
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock
        for start in range(0, len(paths), _BLOCK):
            if stop := should_stop():
                raise Interrupted(
                    "stopped while looking at the images; nothing was trained yet",
                    signal_number=stop,
                    hint="run the same command again",
                )
            block = paths[start : start + _BLOCK]
            for path, verdict in zip(block, pool.map(_verdict, block), strict=True):
                counts[verdict] += 1
                if verdict == "usable":
                    kept.append(path)
            report("scan", done=start + len(block), total=len(paths))
    return ImageSet(kept, counts["unreadable"], counts["missing"])


def _verdict(path: Path) -> str:
    try:
        with Image.open(open_file(path)) as image:
            image.draft("L", _PROBE)
            brightest = np.asarray(image.convert("L")).max()
    except Exception:  # Pillow's readers raise nearly anything on damaged files
        return "unreadable"
    return "missing" if brightest <= BLACK else "usable"


def read_image(path: Path) -> Image.Image:
    """Read an upright RGB image. Raises `InputError` when it cannot be read (any more)."""
    try:
        with Image.open(open_file(path)) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:
        raise InputError(
            f"cannot read the image ({error})", where=str(path), hint="remove it and use --resume"
        ) from error
