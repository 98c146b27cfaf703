"""Crops by the path they have as loose files, also when they are packed: that renames nothing."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from slt_cli.corpus.crop_store import CropStore, parse_crop_name
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths, crop_name


def corpus_crops(folder: Path) -> list[Path]:
    """Paths of all crops below `folder`, a crop folder of a corpus with shards or such a corpus.

    Nothing for any other folder. Raises `InputError` naming a damaged shard.
    """
    return [
        place / crop_name(video_id, frame)
        for place in (folder, *(folder / stream for stream in CROP_STREAMS))
        if (root := packed_corpus(place)) is not None
        for store in [CropStore(CorpusPaths.from_root(root))]
        for video_id in store.clips(place.absolute().name)
        for frame in store.frames(place.absolute().name, video_id)
    ]


def packed_corpus(folder: Path) -> Path | None:
    """The corpus with shards that `folder` is, or was, a crop folder of; else None."""
    folder = folder.absolute()
    shards = CorpusPaths.from_root(folder.parent).shard_dir
    return folder.parent if folder.name in CROP_STREAMS and shards.is_dir() else None


def open_file(path: Path) -> Path | BytesIO:
    """What an image library opens to read `path`: the file itself, or its packed bytes.

    Raises `InputError` for a crop that is neither in its folder nor packed.
    """
    if (place := _place(path)) is None:
        return path
    store, stream, video_id, frame = place
    return BytesIO(store.read(stream, video_id, frame))


def num_bytes(path: Path) -> int:
    """Size of a file, packed or not. Raises `InputError` or `OSError` when it is not there."""
    if (place := _place(path)) is None:
        return path.stat().st_size
    store, stream, video_id, frame = place
    return store.size(stream, video_id, frame)


def _place(path: Path) -> tuple[CropStore, str, str, int] | None:
    """Where a crop of a corpus with shards is; None for any other file."""
    parsed, root = parse_crop_name(path.name), packed_corpus(path.parent)
    if parsed is None or root is None:
        return None
    return _store(root), path.parent.absolute().name, *parsed


@lru_cache(maxsize=16)
def _store(root: Path) -> CropStore:
    return CropStore(CorpusPaths.from_root(root))
