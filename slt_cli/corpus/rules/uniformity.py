"""Whether the clips of a corpus are of one kind: what differs cannot be trained on together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from slt_cli.corpus.rules.clip import ClipFacts
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import corpus_rule

_FPS_TOLERANCE = 0.05


@corpus_rule(
    "C004", "error", "another layout than most clips",
    why="a model reads one set of points; slt train refuses a mixture",
)  # fmt: skip
def one_layout(corpus: Corpus) -> Iterator[str]:
    """All clips have the same named points."""
    yield from _odd_ones(corpus.readable, lambda clip: clip.layout)


@corpus_rule(
    "C007", "error", "another estimator than most clips",
    why="estimators differ in what they call a point; slt train refuses a mixture",
)  # fmt: skip
def one_estimator(corpus: Corpus) -> Iterator[str]:
    """All clips come from one version of one estimator, with the same settings."""
    yield from _odd_ones(corpus.readable, lambda clip: clip.estimator)


@corpus_rule(
    "C011", "warning", "another frame rate than most clips",
    why="the same movement then takes another number of frames (slt extract --fps makes one rate)",
)  # fmt: skip
def one_fps(corpus: Corpus) -> Iterator[str]:
    """All clips have about the same frames per second."""
    timed = [clip for clip in corpus.readable if clip.fps]
    usual = _usual(round(clip.fps or 0) for clip in timed)
    for clip in timed:
        if clip.fps and abs(clip.fps - usual) > max(0.5, _FPS_TOLERANCE * usual):
            yield f"{clip.video_id}: {clip.fps:.2f}, the others {usual}"


@corpus_rule(
    "C012", "warning", "extracted with other settings than most clips",
    why="crop size, box scale or chosen frames then differ between clips",
)  # fmt: skip
def one_extraction(corpus: Corpus) -> Iterator[str]:
    """All clips carry the same fingerprint of extraction settings."""
    extracted = [clip for clip in corpus.readable if clip.settings]
    usual = _usual(clip.settings for clip in extracted)
    yield from (
        f"{clip.video_id}: settings {clip.settings[:8]}, the others {usual[:8]}"
        for clip in extracted
        if clip.settings != usual
    )


@corpus_rule(
    "C013", "error", "stream missing that most clips have",
    why="training on that stream stops at this clip",
)  # fmt: skip
def same_streams(corpus: Corpus) -> Iterator[str]:
    """A stream that more than half of the clips have, all have."""
    counts = Counter(stream for clip in corpus.readable for stream in clip.streams)
    usual = [stream for stream, count in counts.items() if 2 * count > len(corpus.readable)]
    for clip in corpus.readable:
        if clip.frames and (absent := [stream for stream in usual if stream not in clip.streams]):
            yield f"{clip.video_id}: no {', '.join(sorted(absent))}"


@corpus_rule(
    "C016", "warning", "crops of another size than most, or not square",
    why="they are stretched or shrunk when read, so detail differs between clips",
)  # fmt: skip
def one_crop_size(corpus: Corpus) -> Iterator[str]:
    """All sampled crops are squares of one size."""
    usual = _usual(size for clip in corpus.readable for size in clip.crop_sizes)
    for clip in corpus.readable:
        odd = [size for size in clip.crop_sizes if size != usual or size[0] != size[1]]
        if odd:
            shown = ", ".join(f"{width}x{height}" for width, height in odd)
            yield f"{clip.video_id}: {shown}" + (
                f", the others {usual[0]}x{usual[1]}" if usual not in odd else ""
            )


def _odd_ones(clips: list[ClipFacts], kind: Callable[[ClipFacts], str]) -> Iterator[str]:
    usual = _usual(map(kind, clips))
    for clip in clips:
        if kind(clip) != usual:
            yield f"{clip.video_id}: {kind(clip)}, the others {usual}"


def _usual(values: Iterable[Any]) -> Any:
    """The most frequent value; the first of equally frequent ones, "" when there is none."""
    counts = Counter(values).most_common(1)
    return counts[0][0] if counts else ""
