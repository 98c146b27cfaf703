"""The page about a corpus: what was found, what was seen when, and what the worst crops show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from slt_cli.corpus.clip_files import ClipKeypoints, load_clip_keypoints
from slt_cli.corpus.rules.clip import ClipFacts
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.finding import Finding
from slt_cli.landmarks.layouts import COMPONENTS, get_layout
from slt_cli.pipelines.validation.charts import histograms, strip
from slt_cli.pipelines.validation.html import findings_section, page, section
from slt_cli.pipelines.validation.pictures import COLOURS, contact_sheet

MOST_STRIPS, MOST_SHEETS = 40, 8
_NAMES = {"body": "body", "face": "face", "hand_left": "left hand", "hand_right": "right hand"}


def corpus_page(
    title: str, corpus: Corpus, findings: Sequence[Finding], reasons: dict[str, str], failed: bool
) -> str:
    """The report of a check as HTML. Reads the landmarks of the worst clips once more."""
    clips = [clip for clip in corpus.readable if clip.frames]
    worst = sorted(clips, key=lambda clip: (clip.worst_coverage, clip.hand_coverage))
    return page(
        title, failed, _tiles(corpus, clips, findings),
        [
            findings_section(findings, reasons),
            _strips_section(corpus, worst),
            _sheets_section(corpus, worst),
            section("Distributions", "", _charts(corpus, clips)),
        ],
    )  # fmt: skip


def _tiles(
    corpus: Corpus, clips: Sequence[ClipFacts], findings: Sequence[Finding]
) -> dict[str, str]:
    severities = [finding.severity for finding in findings]
    seconds = sum(clip.frames / clip.fps for clip in clips if clip.fps)
    splits = corpus.splits
    shares = {" / ".join(splits): " / ".join(f"{len(splits[split]):,}" for split in splits)}
    return {
        "clips": f"{len(corpus.clips):,}",
        "frames": f"{sum(clip.frames for clip in clips):,}",
        "of video": _duration(seconds),
        "errors": f"{severities.count('error')}",
        "warnings": f"{severities.count('warning')}",
        **(shares if splits else {}),
    }


def _strips_section(corpus: Corpus, worst: Sequence[ClipFacts]) -> str:
    shown = worst[:MOST_STRIPS]
    note = "Filled where at least one point was seen, from the first frame to the last."
    if len(shown) < len(worst):
        note += f" The {len(shown)} clips seen worst, of {len(worst):,}."
    rows = "".join(_strips(clip, _load(corpus, clip)) for clip in shown)
    return section("What was seen when", note, rows)


def _strips(facts: ClipFacts, clip: ClipKeypoints) -> str:
    layout = get_layout(facts.layout)
    cells = ""
    for part, name in _NAMES.items():
        seen = clip.valid[:, list(layout.component(COMPONENTS[part]))].any(axis=1)
        bar = strip(seen, f"{name} of {facts.video_id}: {seen.mean():.0%}")
        cells += f'<span>{name}</span><div class="{part}">{bar}</div><b>{seen.mean():.0%}</b>'
    return f"<div class=clip>{_heading(facts)}<div class=strips>{cells}</div></div>"


def _sheets_section(corpus: Corpus, worst: Sequence[ClipFacts]) -> str:
    with_crops = [clip for clip in worst if corpus.crops.streams(clip.video_id)]
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>'
        for name, colour in COLOURS.items()
    )
    sheets = "".join(_sheet(corpus, clip) for clip in with_crops[:MOST_SHEETS])
    note = "Crops over time; the frame says where the place of each came from."
    body = f"<p class=legend>{legend}</p>{sheets}" if sheets else ""
    return section("Crops of the clips seen worst", note, body)


def _sheet(corpus: Corpus, facts: ClipFacts) -> str:
    streams = corpus.crops.streams(facts.video_id)
    url = contact_sheet(_load(corpus, facts), streams, partial(_read, corpus, facts.video_id))
    rows = ", ".join(streams)
    return (
        f"<div class=sheet>{_heading(facts, f'rows: {rows}')}"
        f'<img src="{url}" alt="crops of {escape(facts.video_id)}: {rows}"></div>'
    )


def _charts(corpus: Corpus, clips: Sequence[ClipFacts]) -> str:
    timed = [(clip.frames, clip.fps) for clip in clips if clip.fps]
    return histograms(
        ([fps for _, fps in timed], "Frame rate", "frames per second"),
        ([frames / fps for frames, fps in timed], "Clip length", "s"),
        ([100 * clip.hand_coverage for clip in clips], "Hands", "% of the frames"),
        ([len(text) for text in corpus.texts.values()], "Text length", "characters"),
    )


def _heading(facts: ClipFacts, more: str = "") -> str:
    rate = f", {facts.fps:.3g} frames/s" if facts.fps else ""
    told = f"{facts.frames:,} frames{rate}" + (f"; {more}" if more else "")
    return f"<h3>{escape(facts.video_id)}<span>{escape(told)}</span></h3>"


def _load(corpus: Corpus, facts: ClipFacts) -> ClipKeypoints:
    return load_clip_keypoints(corpus.paths.keypoints(facts.video_id))


def _read(corpus: Corpus, video_id: str, stream: str, frame: int) -> bytes:
    return corpus.crops.read(stream, video_id, frame)


def _duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
