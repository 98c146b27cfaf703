"""A corpus under inspection: its tables, its manifest, and a few facts about each clip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from slt_cli.corpus.manifest import Record, read_manifest
from slt_cli.corpus.paths import SPLITS, CorpusPaths
from slt_cli.corpus.rules.clip import ClipFacts
from slt_cli.corpus.rules.crops import CropListing
from slt_cli.corpus.rules.limits import Limits
from slt_cli.corpus.tables import read_gloss_table, read_index, read_meta, read_table
from slt_cli.errors import InputError

_T = TypeVar("_T")


class Corpus:
    """What the rules look at. The tables are read at once; `clips` and `problems` fill after that.

    `problems` holds what the rules for single clips found, by rule id. A table that cannot be read
    counts as absent, and `table_errors` says why.
    """

    def __init__(self, paths: CorpusPaths, limits: Limits) -> None:
        self.paths = paths
        self.limits = limits
        self.clips: list[ClipFacts] = []
        self.problems: defaultdict[str, list[str]] = defaultdict(list)
        self.crops = CropListing(paths)
        self.manifest: dict[str, Record] = read_manifest(paths.manifest)
        self.table_errors: list[str] = []
        self.texts = self._table(paths.metadata_csv, read_meta) or {}
        self.glosses = self._table(paths.gloss_csv, read_gloss_table) or {}
        labels = _column(paths.gloss_csv, "labels") if self.glosses else {}
        self.labels = {video_id: tuple(cell.split()) for video_id, cell in labels.items() if cell}
        self.videos = _column(paths.metadata_csv, "video") if self.texts else {}
        self.signers = _column(paths.metadata_csv, "signer") if self.texts else {}
        splits = {split: self._table(paths.index(split), read_index) for split in SPLITS}
        self.splits = {split: ids for split, ids in splits.items() if ids is not None}

    def clip_files(self) -> list[Path]:
        """Files of landmarks, in the order of their names."""
        folder = self.paths.keypoints_dir
        return sorted(path for path in folder.glob("*") if _is_clip(path))

    @property
    def readable(self) -> list[ClipFacts]:
        """The clips whose landmarks could be read."""
        return [clip for clip in self.clips if not clip.unreadable]

    @property
    def ids(self) -> set[str]:
        """Ids of all clips."""
        return {clip.video_id for clip in self.clips}

    def _table(self, path: Path, read: Callable[[Path], _T]) -> _T | None:
        if not path.is_file():
            return None
        try:
            return read(path)
        except InputError as error:
            self.table_errors.append(f"{error.where or path}: {error.message}")
            return None


def _column(path: Path, role: str) -> dict[str, str]:
    """Cells of the column that plays `role`, by clip id, in a table that has been read before."""
    table = read_table(path)
    column = table.find(role)
    if column is None:
        return {}
    return {video_id: row.cells[column] for video_id, row in table.by_id().items()}


def _is_clip(path: Path) -> bool:
    return path.suffix in {".npz", ".npy"} and not path.name.startswith(".")
