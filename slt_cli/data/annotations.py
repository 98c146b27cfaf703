"""Tables of a corpus joined into the records of one split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_gloss_table, read_index, read_meta
from slt_cli.data.target_text import target_text
from slt_cli.errors import InputError, UsageError


@dataclass(frozen=True)
class ClipRecord:
    """The annotation of one clip: its text as a target, and its glosses as written."""

    video_id: str
    text: str
    glosses: tuple[str, ...] = ()


def read_split(corpus: CorpusPaths, split: str, text_steps: Sequence[str] = ()) -> list[ClipRecord]:
    """Records of the clips in `split`, their texts changed by `target_text` with `text_steps`.

    Gloss ids are made from the glosses; a column of numbers is not needed and not read. Whether the
    clips' files can be read is told by `usable_records`.

    Raises `UsageError` naming the missing table and `InputError` for ids without text.
    """
    missing = missing_tables(corpus, (split,))
    if missing:
        raise UsageError(
            "the corpus is not ready: " + "; ".join(missing),
            hint=f"slt validate {corpus.root}"
            if corpus.keypoints_dir.is_dir()
            else f"slt extract VIDEO... -o {corpus.root}",
        )
    texts = read_meta(corpus.metadata_csv)
    glosses = read_gloss_table(corpus.gloss_csv) if corpus.gloss_csv.is_file() else {}
    ids = read_index(corpus.index(split))
    unknown = [i for i in ids if i not in texts]
    if unknown:
        raise InputError(
            f"{len(unknown)} ids have no text: {', '.join(unknown[:5])}",
            where=str(corpus.index(split)),
            hint=f"slt validate {corpus.root}",
        )
    return [
        ClipRecord(i, target_text(texts[i], text_steps), tuple(glosses.get(i, ()))) for i in ids
    ]


def missing_tables(corpus: CorpusPaths, splits: Sequence[str]) -> list[str]:
    """What has to be there before these splits can be read, each with what it must hold."""
    needed = [(corpus.metadata_csv, "a table with the columns video_id;texto")]
    needed += [(corpus.index(split), "one video_id per line") for split in splits]
    missing = [f"{path} ({what})" for path, what in needed if not path.is_file()]
    if not corpus.keypoints_dir.is_dir():
        missing.append(f"{corpus.keypoints_dir} (run slt extract VIDEO... -o {corpus.root})")
    return missing


def gloss_vocabulary(records: Sequence[ClipRecord]) -> list[str]:
    """Sorted glosses of the given records; class `i + 1` of the gloss head is entry `i`."""
    return sorted({gloss for record in records for gloss in record.glosses})
