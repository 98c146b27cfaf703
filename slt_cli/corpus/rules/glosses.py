"""Whether the gloss head can learn from the gloss table."""

from __future__ import annotations

from collections.abc import Iterator

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


@corpus_rule(
    "G003", "error", "gloss number outside the vocabulary",
    why="numbers run from 1 to the number of glosses, 0 is the blank; CTC would read elsewhere",
)  # fmt: skip
def labels_in_vocabulary(corpus: Corpus) -> Iterator[str]:
    """`ctc_labels` has one number per gloss, always the same for the same gloss."""
    vocabulary = {gloss for glosses in corpus.glosses.values() for gloss in glosses}
    number_of: dict[str, str] = {}
    for video_id, labels in corpus.labels.items():
        glosses = corpus.glosses[video_id]
        if len(labels) != len(glosses):
            yield f"{video_id}: {len(labels)} numbers for {len(glosses)} glosses"
            continue
        for gloss, label in zip(glosses, labels, strict=True):
            known = number_of.setdefault(gloss, label)
            if not label.isdecimal() or not 1 <= int(label) <= len(vocabulary):
                yield f"{video_id}: {gloss} is {label}, of {len(vocabulary)} glosses"
            elif label != known:
                yield f"{video_id}: {gloss} is {label}, and {known} before"
