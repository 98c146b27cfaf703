"""Where the pieces of clips wait until all of a clip are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.pipelines.extraction.pieces import Piece
from slt_cli.pipelines.extraction.running import PieceResult
from slt_cli.storage.atomic import stage_arrays, stage_bytes
from slt_cli.video.decode import DamageReport

_ARRAYS = ("keypoints", "z", "valid", "time_s", "boxes", "sources")
_FACTS = "facts.json"


class Stage:
    """Where the pieces of clips wait until all of a clip are there: a folder per clip."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, video_id: str) -> Path:
        """The folder of one clip."""
        return self._folder / f"{video_id}.clip"

    def crop(self, video_id: str, stream: str, piece: int, index: int) -> Path:
        """One crop of a piece."""
        return self.folder(video_id) / f"{piece:04d}-{stream}-{index:06d}.jpg"

    def save(self, piece: Piece, result: PieceResult) -> None:
        """Keep the arrays and facts of a piece."""
        facts = {**result.facts, "damage": vars(result.facts["damage"])}
        arrays = {name: getattr(result, name) for name in _ARRAYS}
        folder = self.folder(piece.clip.video_id) / f"{piece.number:04d}"
        stage_arrays(folder, arrays)
        stage_bytes(folder / _FACTS, json.dumps(facts).encode())

    def stored(self, video_id: str, total: int) -> list[StoredPiece]:
        """The pieces of a clip in order."""
        folder = self.folder(video_id)
        return [StoredPiece(folder / f"{number:04d}") for number in range(total)]


class StoredPiece:
    """A piece in the stage; its arrays stay on disk until their numbers are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        facts = json.loads((folder / _FACTS).read_bytes())
        self.facts: dict[str, Any] = {**facts, "damage": DamageReport(**facts["damage"])}

    def array(self, name: str) -> npt.NDArray[Any]:
        """One array of the piece, by its name in `PieceResult`."""
        path = self._folder / f"{name}.npy"
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


class HeldPiece:
    """A piece that never left memory."""

    def __init__(self, result: PieceResult) -> None:
        self._result = result
        self.facts = result.facts

    def array(self, name: str) -> npt.NDArray[Any]:
        """One array of the piece, by its name in `PieceResult`."""
        array: npt.NDArray[Any] = getattr(self._result, name)
        return array


AnyPiece = StoredPiece | HeldPiece
