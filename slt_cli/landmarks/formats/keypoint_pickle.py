"""Landmarks and annotations from the pickles of gloss and translation corpora.

MSKA and SLRT keep a split in one pickle, plain or compressed with gzip: a dict from clip names to
dicts of name, gloss, text, num_frames and keypoint (T, 133, 3), pixels and confidence in
COCO-WholeBody order. The older pickles of the same corpora are lists of dicts whose `sign` holds
features of a convolutional network; their texts can be read, but they hold no landmarks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.arrays import bare_track
from slt_cli.landmarks.formats.track import (
    ClipAnnotation,
    Known,
    LandmarkTrack,
    size_from_extent,
)
from slt_cli.storage.unpickle import StoredArray, read_pickle

FORMAT = "keypoint pickle"
_KEYPOINTS = ("keypoint", "keypoints")
_OUTSIDE = 1.25  # of the picture: further out no point of a corpus lies


@dataclass(frozen=True)
class _Corpus:
    """A corpus whose pictures all have one size, told by the names of its clips."""

    name: str
    clips: re.Pattern[str]
    frame_size: tuple[int, int]
    fps: Fraction


_CORPORA = (
    _Corpus("PHOENIX", re.compile(r"\d{2}[A-Z][a-z]+_20\d\d_[A-Z][a-z]+_.+"), (210, 260),
            Fraction(25)),
    _Corpus("CSL-Daily", re.compile(r"S\d{6}_P\d{4}_T\d{2}"), (512, 512), Fraction(30)),
)  # fmt: skip


def read_keypoint_pickle(path: Path, known: Known) -> Iterator[tuple[str, LandmarkTrack]]:
    """(clip id, track) of every clip of a pickle.

    The pickle does not tell the size of the picture, by which its pixels are divided: it comes from
    `known`, else from the corpus that the names of the clips belong to, else from how far the
    points of all clips reach. Raises `InputError` for pickles without landmarks, naming what they
    hold instead, and as `storage.unpickle.read_pickle`.
    """
    clips = {name: _keypoints(entry, name, path) for name, entry in _entries(path).items()}
    known, note = _completed(clips, known)
    for name, array in clips.items():
        track = bare_track(array, path, known, file_format=FORMAT, notes=note)
        yield name, replace(track, member=name)


def read_pickle_annotations(path: Path) -> list[ClipAnnotation]:
    """Texts, glosses and signers of a pickle, in its order; features are passed over."""
    return [
        ClipAnnotation(
            name, _text(entry, "text"), tuple(_text(entry, "gloss").split()), _text(entry, "signer")
        )
        for name, entry in _entries(path).items()
        if isinstance(entry, Mapping)
    ]


def _entries(path: Path) -> dict[str, Any]:
    """Clips by id, whatever form the pickle has."""
    content = read_pickle(path)
    if isinstance(content, Mapping):
        pairs = list(content.items())
    elif isinstance(content, list) and all(isinstance(entry, Mapping) for entry in content):
        pairs = [(entry.get("name"), entry) for entry in content]
    else:
        raise _unknown(path, f"a {type(content).__name__}")
    if not pairs or not all(isinstance(name, str) and name for name, _ in pairs):
        raise _unknown(path, "clips without names" if pairs else "nothing")
    entries: dict[str, Any] = {}
    for name, entry in pairs:
        video_id = _clip_id(str(name))
        if video_id in entries:
            raise InputError(f"two clips are called {video_id}", where=str(path))
        entries[video_id] = entry
    return entries


def _clip_id(name: str) -> str:
    """The last part of a name such as `train/01April_2010_Thursday_heute-6694`, fit for a file."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join("_" if unicodedata.category(c) == "Cc" else c for c in last).strip()
    return clean if clean.strip(".") else "_"


def _keypoints(entry: Any, name: str, path: Path) -> npt.NDArray[Any]:
    found = entry
    if isinstance(entry, Mapping):
        found = next((entry[key] for key in _KEYPOINTS if key in entry), None)
    if isinstance(found, StoredArray):
        return found.array
    if isinstance(entry, Mapping) and isinstance(entry.get("sign"), StoredArray):
        raise InputError(
            f"`sign` of {name} holds features of a network {entry['sign'].array.shape}, and there "
            "are no landmarks",
            where=str(path), hint="extract the corpus's videos: slt extract FOLDER",
        )  # fmt: skip
    what = ", ".join(map(str, entry)) if isinstance(entry, Mapping) else type(entry).__name__
    raise _unknown(path, f"{name} with {what}")


def _unknown(path: Path, what: str) -> InputError:
    return InputError(
        f"no landmarks in the pickle: expected clips with `keypoint` (T, 133, 3), found {what}",
        where=str(path), hint="slt extract reads .pose, .npz and the pickles of MSKA",
    )  # fmt: skip


def _completed(
    clips: Mapping[str, npt.NDArray[Any]], known: Known
) -> tuple[Known, tuple[str, ...]]:
    """What is known of the pictures, and a note on where it comes from."""
    size, fps, notes = known.frame_size, known.fps, []
    furthest = _furthest(clips)
    corpus = next((c for c in _CORPORA if all(map(c.clips.fullmatch, clips))), None)
    if size is None and corpus is not None and _fits(furthest, corpus.frame_size):
        size = corpus.frame_size
        notes.append(f"picture size {size[0]} x {size[1]}, as the clips of {corpus.name} have")
    elif size is None and max(furthest) > 2:
        size = furthest
        notes.append(f"picture size unknown: {size[0]} x {size[1]} reaches to every point")
    if fps is None and corpus is not None:
        fps = corpus.fps
        notes.append(f"{fps} frames per second, as the clips of {corpus.name} have")
    return Known(size, fps), tuple(notes)


def _furthest(clips: Mapping[str, npt.NDArray[Any]]) -> tuple[int, int]:
    """How far (x, y) the points of all clips reach."""
    reach = [(1, 1)]
    for array in clips.values():
        if array.ndim == 3 and array.shape[2] >= 2:
            reach.append(size_from_extent(array[..., :2], np.isfinite(array).all(axis=2)))
    return max(x for x, _ in reach), max(y for _, y in reach)


def _fits(furthest: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether points that reach this far may come from pictures of that size, in pixels."""
    return max(furthest) > 2 and all(f <= _OUTSIDE * s for f, s in zip(furthest, size, strict=True))


def _text(entry: Mapping[str, Any], key: str) -> str:
    """A text on one line, as tables keep it; lists of words are joined by spaces."""
    value = entry.get(key)
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    text = unicodedata.normalize("NFC", str(value)) if value is not None else ""
    return re.sub(r"[\s\x00-\x1f]*[\n\r\t\x00-\x1f][\s\x00-\x1f]*", " ", text).strip()
