"""Whether a file ends before the bytes that it promises: exact evidence of an incomplete copy."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def is_cut(path: Path) -> bool:
    """Whether an MP4, QuickTime, Matroska, WebM, AVI or GIF file is shorter than it says.

    These formats are made of boxes that begin with their length (a GIF ends with a mark). False
    for other formats, and where a live recording left the lengths open.
    """
    total = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(12)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
            return _mp4_end(handle, total) > total
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            return _matroska_end(handle, total) > total
        if head.startswith(b"RIFF") and head[8:] == b"AVI ":
            return _riff_end(handle, total) > total
        if head.startswith(b"GIF8"):
            handle.seek(max(0, total - 64))
            return not handle.read().rstrip(b"\0").endswith(b";")
    return False


def _mp4_end(handle: BinaryIO, total: int) -> int:
    at = 0
    while at + 8 <= total:
        handle.seek(at)
        head = handle.read(16)
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size or total - at
        at += max(size, 8)
    return at if at >= total else total + 1  # a box of which not even the length is there


def _riff_end(handle: BinaryIO, total: int) -> int:
    at = 0
    while at + 8 <= total:
        handle.seek(at)
        head = handle.read(8)
        if head[:4] != b"RIFF":  # something appended
            return total
        size = int.from_bytes(head[4:], "little")
        at += 8 + size + size % 2
    return at if at > total + 1 else total  # the last padding byte is often left out


def _matroska_end(handle: BinaryIO, total: int) -> int:
    at = 0
    while at < total:
        handle.seek(at)
        head = handle.read(12)
        name = _width(head[:1])
        length = _width(head[name : name + 1])
        if not 1 <= name <= 4 or not length or len(head) < name + length:
            return total  # nonsense, or too short to tell
        body = at + name + length
        size = int.from_bytes(head[name : name + length], "big") & ((1 << 7 * length) - 1)
        if size == (1 << 7 * length) - 1:  # left open by a live recording: look inside
            if head[:name] not in (_SEGMENT, _CLUSTER):
                return total
            at = body
        else:
            at = body + size
    return at


def _width(first: bytes) -> int:
    """Bytes of an EBML number, told by the leading zero bits of its first byte; 0 for nonsense."""
    return 9 - first[0].bit_length() if first and first[0] else 0
