"""Whether a file has all the bytes that it promises: exact evidence of an incomplete copy."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Literal

FileState = Literal["whole", "cut", "broken"]

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_MATROSKA = frozenset({
    0x1A45DFA3, _SEGMENT, _CLUSTER, 0xEC, 0xBF,  # header; void and checksum anywhere
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469,  # segment
    0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF,  # cluster
})  # fmt: skip
"""Identifiers of the elements that Matroska (RFC 9559) allows outside, in segments and clusters."""


def file_state(path: Path) -> FileState:
    """What the lengths stored in an MP4, QuickTime, Matroska, WebM, AVI or GIF file say about it.

    These formats are made of boxes that begin with their length (a GIF ends with a mark). "cut":
    the last box goes on after the end of the file. "broken", for Matroska and WebM, whose readers
    pass over what they do not understand without a word: there is something else where a box should
    begin. "whole" also for other formats.
    """
    with path.open("rb") as handle:
        if not handle.read(1):
            return "cut"
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _state(data)


def _state(data: mmap.mmap) -> FileState:
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        is_whole = _mp4_end(data) == len(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        is_whole = _riff_end(data) <= len(data) + 1  # the last padding byte is often left out
    elif data[:4] == b"GIF8":
        is_whole = data[-64:].rstrip(b"\0").endswith(b";")
    elif data[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_state(data)
    else:
        return "whole"
    return "whole" if is_whole else "cut"


def _mp4_end(data: mmap.mmap) -> int:
    at, total = 0, len(data)
    while at + 8 <= total:
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size or total - at
        at += max(size, 8)
    return at


def _riff_end(data: mmap.mmap) -> int:
    at = 0
    while data[at : at + 4] == b"RIFF":  # long files have several; after them, anything
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return at


def _matroska_state(data: mmap.mmap) -> FileState:
    at, end = 0, len(data)
    while at < end:
        head = data[at : at + 12]
        name = 9 - head[0].bit_length()
        width = 9 - head[name].bit_length() if name < len(head) else 9
        body = at + name + width
        if end - at < 12 and body > end:
            return "cut"
        if width > 8 or int.from_bytes(head[:name], "big") not in _MATROSKA:
            return "broken"
        kind = int.from_bytes(head[:name], "big")
        open_end = (1 << 7 * width) - 1  # a live recording leaves lengths open
        size = int.from_bytes(head[name : name + width], "big") & open_end
        if kind == _SEGMENT and size != open_end:
            if body + size > end:
                return "cut"
            end = body + size
        inside = kind in (_SEGMENT, _CLUSTER)
        at = body if inside else body + size
    return "whole" if at == end else "cut"
