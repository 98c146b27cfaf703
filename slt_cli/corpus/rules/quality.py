"""Whether what the clips show is worth training on."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from slt_cli.corpus.rules.clip import OpenClip
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import clip_rule, corpus_rule

_MUCH_LONGER = 10


@clip_rule(
    "C008", "warning", "hands hardly ever seen",
    why="most of the signs are in the hands (the limit is check.min_coverage)",
)  # fmt: skip
def hands_seen(clip: OpenClip) -> Iterator[str]:
    """At least one hand is there in a fair share of the frames."""
    hands = max(clip.coverage[name] for name in ("hand_left", "hand_right"))
    if len(clip) and hands < clip.limits.min_coverage:
        yield f"hands in {hands:.0%} of the frames"


@clip_rule(
    "C021", "warning", "body hardly ever seen",
    why="nobody is in the picture, or too small to be found; the body anchors all other points",
)  # fmt: skip
def body_seen(clip: OpenClip) -> Iterator[str]:
    """The body is there in at least half of the frames."""
    if len(clip) and clip.coverage["body"] < 0.5:
        yield f"body in {clip.coverage['body']:.0%} of the frames"


@clip_rule(
    "C029", "warning", "shorter than the temporal kernel",
    why="one convolution sees more padding than frames (model.mska_temporal_kernel)",
)  # fmt: skip
def long_enough(clip: OpenClip) -> Iterator[str]:
    """A clip has as many frames as one temporal convolution sees."""
    if 0 < len(clip) < clip.limits.temporal_kernel:
        yield f"{len(clip)} frames for a kernel of {clip.limits.temporal_kernel}"


@corpus_rule(
    "C030", "warning", "much longer than the other clips",
    why=f"more than {_MUCH_LONGER} times the median: several sentences in one, and slow batches",
)  # fmt: skip
def not_too_long(corpus: Corpus) -> Iterator[str]:
    """No clip is out of all proportion to the others."""
    usual = median(clip.frames for clip in corpus.readable) if corpus.readable else 0
    for clip in corpus.readable:
        if usual and clip.frames > _MUCH_LONGER * usual:
            yield f"{clip.video_id}: {clip.frames} frames, the median is {usual:g}"


@corpus_rule(
    "C009", "warning", "extracted from a damaged video",
    why="frames are missing or were not shown to the estimator",
)  # fmt: skip
def damaged_videos(corpus: Corpus) -> Iterator[str]:
    """The manifest calls no clip damaged."""
    yield from (i for i, record in corpus.manifest.items() if record.get("status") == "damaged")


@corpus_rule(
    "C022", "warning", "more than one person in the picture",
    why="landmarks may jump to another person; look at the clip, or extract with --signer",
)  # fmt: skip
def one_person(corpus: Corpus) -> Iterator[str]:
    """Most of the time the people counter saw one person."""
    for video_id, record in corpus.manifest.items():
        people = record.get("people")
        if isinstance(people, dict) and people.get("usual", 0) > 1:
            yield f"{video_id}: mostly {people['usual']} people, at most {people.get('most')}"


@corpus_rule(
    "C027", "warning", "same video under two ids",
    why="the clip counts twice, and may end up in training and test",
)  # fmt: skip
def no_duplicates(corpus: Corpus) -> Iterator[str]:
    """No two clips come from the same part of the same file."""
    first: dict[str, str] = {}
    for clip in corpus.readable:
        if clip.source and clip.source in first:
            yield f"{clip.video_id}: the same as {first[clip.source]}"
        else:
            first[clip.source] = clip.video_id
