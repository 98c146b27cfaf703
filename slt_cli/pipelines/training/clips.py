"""The clips of a run: which ones it uses, and whether they are still what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import ctc_frames
from slt_cli.errors import UsageError
from slt_cli.pipelines.corpora import corpus_paths
from slt_cli.settings.root import Settings
from slt_cli.storage.hashes import sha256_json

if TYPE_CHECKING:
    from slt_cli.data.annotations import ClipRecord

_SHOWN = 5  # clips named in a message


@dataclass(frozen=True)
class Clips:
    """Records of the training and the validation split.

    `damaged` are lines about clips whose files cannot be read, `notes` about others left out.
    """

    corpus: CorpusPaths
    train: list[ClipRecord]
    val: list[ClipRecord]
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def hashes(self) -> dict[str, str]:
        """`split/clip` -> hash of its text and glosses."""
        return {
            f"{split}/{record.video_id}": sha256_json(asdict(record))[:16]
            for split, records in (("train", self.train), ("val", self.val))
            for record in records
        }


def read_clips(settings: Settings) -> Clips:
    """The clips that the settings name and that can be read.

    Raises as `read_split` and, for damaged clips, `usable_records` do, and `UsageError` when
    gloss2text finds no glosses.
    """
    from slt_cli.data.annotations import read_split

    corpus, steps = corpus_paths(settings.data), settings.data.target_text
    splits = [read_split(corpus, split, steps) for split in ("train", "val")]

    # Damage is looked for by code that needs torch: a corpus that is not ready is told before.
    from slt_cli.builders import model_inputs
    from slt_cli.data.usable import usable_records

    inputs, policy = model_inputs(settings), settings.data.damaged_clips
    found = [usable_records(corpus, records, inputs, policy) for records in splits]
    (train, _), (val, _) = found
    damaged = tuple(line for _, lines in found for line in lines)
    notes = []
    if settings.training.task == "gloss2text":
        every = len(train) + len(val)
        train, val = ([r for r in records if r.glosses] for records in (train, val))
        if not train:
            raise UsageError(
                "gloss2text needs glosses, and the training clips have none",
                where=str(corpus.gloss_csv), hint="give that table, or --task sign2text",
            )  # fmt: skip
        left_out = every - len(train) - len(val)
        if left_out:
            notes.append(f"{left_out} clips without glosses are left out")
    size = settings.training.subset_size
    if 0 < size < len(train):
        notes.append(f"training on {size} of {len(train)} clips")
        train = _subset(train, size, settings.training.seed)
    return Clips(corpus, train, val, damaged, tuple(notes))


def refuse_changed_clips(then: Mapping[str, str], clips: Clips) -> None:
    """Raise `UsageError` with the difference when the clips are not those of the run."""
    now = clips.hashes()
    changes = {
        "new": now.keys() - then.keys(),
        "gone": then.keys() - now.keys(),
        "changed": {clip for clip in now.keys() & then.keys() if now[clip] != then[clip]},
    }
    if any(changes.values()):
        lines = "".join(f"\n  {kind}: {_named(ids)}" for kind, ids in changes.items() if ids)
        raise UsageError(
            f"the corpus changed since the run began (ids, texts or glosses):{lines}",
            where=str(clips.corpus.root), hint="start a new run with --init-checkpoint",
        )  # fmt: skip


def _named(ids: set[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(sorted(ids)[:_SHOWN]) + more


def _subset(records: Sequence[ClipRecord], size: int, seed: int) -> list[ClipRecord]:
    """That many records, chosen by the seed, in their order."""
    import numpy as np

    chosen = np.random.default_rng(seed).choice(len(records), size, replace=False)
    return [records[index] for index in sorted(chosen.tolist())]


def infeasible(records: Sequence[ClipRecord], steps: Sequence[int]) -> list[str]:
    """Clips with fewer steps of the gloss heads than their glosses need: they get no CTC loss."""
    return [
        record.video_id
        for record, length in zip(records, steps, strict=True)
        if length < ctc_frames(record.glosses)
    ]
