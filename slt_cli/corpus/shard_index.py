"""Shards of packed crops: how members are named, and the index that makes a tar count.

A shard is `crops-<tag>NNNNNN.tar` with `crops-<tag>NNNNNN.idx.npz` beside it. The index can be made
from the tar alone; a tar without an index is ignored.
"""

from __future__ import annotations

import itertools
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.arrays import load_arrays
from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_npz

SCHEMA = 1
BLOCK = tarfile.BLOCKSIZE  # every member starts at a multiple of this
FRAME, PLACE, SIZE, CRC = range(4)
"""Columns of `ShardIndex.crops`."""
_MEMBER = re.compile(r"(?P<key>[\w%~-]+)_f(?P<frame>\d{6,})\.(?P<stream>\w+)\.jpg", re.ASCII)
_STREAM_NUMBER = {stream: number for number, stream in enumerate(CROP_STREAMS)}
_REMAKE = "copy the shard again, or extract its clips again: slt extract VIDEO... --overwrite"


@dataclass(frozen=True)
class ShardIndex:
    """Where the crops of one shard lie.

    `keys` (N,) escaped clip ids as bytes; `first` and `count` (N, 3) int64 give the rows of `crops`
    that belong to a clip's face, hand_l and hand_r; `crops` (M, 4) uint32 holds frame number, place
    in blocks of 512 bytes, size in bytes and CRC-32, frames ascending. Of two shards with the same
    clip the one with the greater `stamp` holds the newer crops.
    """

    path: Path
    stamp: int
    tar_bytes: int
    keys: npt.NDArray[np.bytes_]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    crops: npt.NDArray[np.uint32]


def escape(video_id: str) -> str:
    """A clip id in ASCII without dots, at which readers of tar datasets cut off the suffix."""
    return quote(video_id, safe="", errors="surrogateescape").replace(".", "%2E")


def unescape(key: str) -> str:
    """The clip id that `escape` was given."""
    return unquote(key, errors="surrogateescape")


def member_name(video_id: str, frame: int, stream: str) -> str:
    """Name of a crop inside a tar; the crops of a frame share all before the first dot."""
    return f"{escape(video_id)}_f{frame:06d}.{stream}.jpg"


def index_path(tar: Path) -> Path:
    """The index beside a tar."""
    return tar.with_suffix(".idx.npz")


def list_indexes(folder: Path) -> list[Path]:
    """The indexes of all shards in `folder`, sorted by name."""
    return sorted(folder.glob("crops-*.idx.npz"))


def save_index(index: ShardIndex) -> None:
    """Write the index; from here on the shard counts."""
    write_npz(
        index_path(index.path),
        {
            "keys": index.keys, "first": index.first, "count": index.count, "crops": index.crops,
            "tar_bytes": np.array(index.tar_bytes), "stamp": np.array(index.stamp),
            "schema": np.array(SCHEMA),
        },
    )  # fmt: skip


def load_index(path: Path) -> ShardIndex:
    """Read the index at `path`.

    Raises `InputError` naming the shard when the index is damaged or newer, and when its tar is
    missing or not of the size that was indexed.
    """
    tar = path.with_name(path.name.removesuffix(".idx.npz") + ".tar")
    again = f"remove {path.name}, then slt extract ... --pack makes it again from the shard"
    try:
        arrays = load_arrays(path)
        schema = int(arrays["schema"])
        if schema > SCHEMA:
            raise InputError(
                f"index written by a newer slt (schema {schema}, this one reads {SCHEMA})",
                where=str(path), hint="upgrade slt",
            )  # fmt: skip
        index = ShardIndex(
            tar, int(arrays["stamp"]), int(arrays["tar_bytes"]),
            *(arrays[name] for name in ("keys", "first", "count", "crops")),
        )  # fmt: skip
        _check_index(index)
    except InputError as error:
        if error.hint == "upgrade slt":
            raise
        raise InputError(
            f"index of shard {tar.name} cannot be read ({error.message})", where=str(path),
            hint=again,
        ) from error  # fmt: skip
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"index of shard {tar.name} is not complete ({error})", where=str(path), hint=again
        ) from error
    _check_size(index)
    return index


def _check_index(index: ShardIndex) -> None:
    clips, streams = len(index.keys), len(CROP_STREAMS)
    if index.keys.dtype.kind != "S" or index.crops.dtype != np.uint32:
        raise ValueError("wrong types")
    for array, shape in (
        (index.first, (clips, streams)), (index.count, (clips, streams)),
        (index.crops, (len(index.crops), 4)),
    ):  # fmt: skip
        if array.shape != shape:
            raise ValueError(f"expected shape {shape}, found {array.shape}")
    if len(index.first) and (index.first.min() < 0 or index.count.min() < 0):
        raise ValueError("negative rows")
    if len(index.first) and (index.first + index.count).max() > len(index.crops):
        raise ValueError("rows beyond the end")


def _check_size(index: ShardIndex) -> None:
    try:
        found = index.path.stat().st_size
    except FileNotFoundError:
        raise InputError(
            f"shard {index.path.name} is missing, only its index is here",
            where=str(index.path), hint=_REMAKE,
        ) from None  # fmt: skip
    if found != index.tar_bytes:
        raise InputError(
            f"shard {index.path.name} is cut or altered: {found} bytes, {index.tar_bytes} indexed",
            where=str(index.path), hint=_REMAKE,
        )  # fmt: skip


def scan_shard(tar: Path, stamp: int) -> ShardIndex:
    """Make the index of a tar from the tar alone, reading all of it.

    Raises `InputError` naming the shard and the member when the tar is cut or damaged, or holds
    anything but crops, clip by clip and frame by frame.
    """
    with tar.open("rb") as handle:
        try:
            with tarfile.open(fileobj=handle, mode="r:") as archive:
                members = list(_members(archive, handle, tar))
        except (tarfile.TarError, UnicodeDecodeError) as error:
            raise _broken(tar, str(error)) from error
        _check_end(handle, members[-1].end, tar)
    return _indexed(tar, stamp, members)


def verify_shard(index: ShardIndex) -> None:
    """Read a whole shard and compare it with its index. Raises `InputError` naming the shard."""
    found = scan_shard(index.path, index.stamp)
    for name in ("keys", "first", "count", "crops"):
        if not np.array_equal(getattr(found, name), getattr(index, name)):
            raise _broken(index.path, "its content is not what its index says")


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    frame: int
    stream: int
    place: int
    size: int
    crc: int

    @property
    def order(self) -> tuple[int, int]:
        return self.frame, self.stream

    @property
    def end(self) -> int:
        return (self.place + -(-self.size // BLOCK)) * BLOCK


def _members(archive: tarfile.TarFile, handle: BinaryIO, tar: Path) -> Iterator[_Member]:
    """Crops in the order of the tar, which must be clip by clip, frame by frame."""
    total = tar.stat().st_size
    seen: set[str] = set()
    last: _Member | None = None
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # it would grow with the tar
        match = _MEMBER.fullmatch(info.name)
        if not info.isreg() or match is None or match["stream"] not in _STREAM_NUMBER:
            raise _broken(tar, f"member {info.name!r} is not a crop")
        if info.offset_data + info.size > total:
            raise _broken(tar, f"cut inside {info.name}")
        data = os.pread(handle.fileno(), info.size, info.offset_data)
        member = _Member(
            match["key"], int(match["frame"]), _STREAM_NUMBER[match["stream"]],
            info.offset_data // BLOCK, info.size, zlib.crc32(data),
        )  # fmt: skip
        same_clip = last is not None and last.key == member.key
        if member.key in seen if not same_clip else last.order >= member.order:  # type: ignore[union-attr]
            raise _broken(tar, f"member {info.name} does not follow its neighbours")
        seen.add(member.key)
        last = member
        yield member
    if last is None:
        raise _broken(tar, "it is empty")


def _check_end(handle: BinaryIO, end: int, tar: Path) -> None:
    """A tar ends with zeros; `tarfile` would take a damaged header for its end."""
    handle.seek(end)
    rest = handle.read(2 * tarfile.RECORDSIZE)
    padding = -(end + 2 * BLOCK) % tarfile.RECORDSIZE
    if len(rest) != 2 * BLOCK + padding or rest.strip(b"\0"):
        raise _broken(tar, f"cut or damaged at byte {end}")


def _indexed(tar: Path, stamp: int, members: list[_Member]) -> ShardIndex:
    keys, first, count = [], [], []
    rows: list[_Member] = []
    for key, group in itertools.groupby(members, key=lambda member: member.key):
        clip = sorted(group, key=lambda member: (member.stream, member.frame))
        counts = [sum(m.stream == number for m in clip) for number in range(len(CROP_STREAMS))]
        keys.append(key)
        first.append([len(rows) + sum(counts[:number]) for number in range(len(CROP_STREAMS))])
        count.append(counts)
        rows += clip
    return ShardIndex(
        tar, stamp, tar.stat().st_size, np.array(keys, "S"), np.array(first, np.int64),
        np.array(count, np.int64),
        np.array([(m.frame, m.place, m.size, m.crc) for m in rows], np.uint32),
    )  # fmt: skip


def _broken(tar: Path, why: str) -> InputError:
    return InputError(f"shard {tar.name}: {why}", where=str(tar), hint=_REMAKE)
