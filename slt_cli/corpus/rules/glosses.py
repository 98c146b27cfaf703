"""Whether the gloss head can learn from the gloss table."""

from __future__ import annotations

from collections.abc import Iterator

from slt_cli.corpus import gloss_labels
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import corpus_rule
from slt_cli.corpus.tables import ctc_frames


@corpus_rule(
    "G001", "error", "too short for its glosses",
    why="CTC needs a step per gloss and a blank between equal ones; its loss would be infinite",
)  # fmt: skip
def ctc_feasible(corpus: Corpus) -> Iterator[str]:
    """Steps of the gloss head (frames / check.temporal_stride) suffice for the glosses."""
    stride = corpus.limits.temporal_stride
    for clip in corpus.readable:
        glosses = corpus.glosses.get(clip.video_id, ())
        steps = -(-clip.frames // stride)
        if 0 < steps < ctc_frames(glosses):
            strided = f" in {steps} steps" if stride > 1 else ""
            yield (
                f"{clip.video_id}: {clip.frames} frames{strided} for {len(glosses)} glosses, "
                f"which need {ctc_frames(glosses)}"
            )


@corpus_rule(
    "G002", "warning", "gloss that never occurs in training", why="it cannot be recognised"
)
def glosses_known(corpus: Corpus) -> Iterator[str]:
    """Validation and test use the glosses of training."""
    known = {g for i in corpus.splits.get("train", ()) for g in corpus.glosses.get(i, ())}
    for split in ("val", "test"):
        for video_id in corpus.splits.get(split, ()) if known else ():
            for gloss in corpus.glosses.get(video_id, ()):
                if gloss not in known:
                    yield f"{split} {video_id}: {gloss}"


@corpus_rule("G003", "error", gloss_labels.TITLE, why=gloss_labels.WHY)
def labels_fit(corpus: Corpus) -> Iterator[str]:
    """`ctc_labels` has one number per gloss, always the same for the same gloss."""
    yield from gloss_labels.label_faults(
        (video_id, corpus.glosses[video_id], labels) for video_id, labels in corpus.labels.items()
    )
