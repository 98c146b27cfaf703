"""The rules a corpus must follow, each with an id, a severity and examples of who breaks it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from slt_cli.corpus.clip_files import ClipKeypoints, load_clip_keypoints, load_pose
from slt_cli.corpus.manifest import read_manifest
from slt_cli.corpus.paths import CROP_STREAMS, SPLITS, CorpusPaths
from slt_cli.corpus.rules.finding import Finding
from slt_cli.corpus.tables import ctc_frames, read_gloss_table, read_index, read_meta
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout

LOW_COVERAGE = 0.1
_CROP_NAME = re.compile(r"(?P<id>.+)_f(?P<frame>\d{6,})\.jpg$")


@dataclass
class ClipFacts:
    """What the rules need of one clip, gathered once so that no clip stays in memory."""

    video_id: str
    frames: int = 0
    layout: str = ""
    estimator: str = ""
    coverage: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class Corpus:
    """A corpus under inspection: its clips, and its tables where they can be read."""

    def __init__(self, paths: CorpusPaths, report: Callable[..., None]) -> None:
        self.paths = paths
        self.table_errors: list[str] = []
        self.texts: dict[str, str] = self._table(paths.metadata_csv, read_meta) or {}
        self.glosses: dict[str, tuple[str, ...]] = (
            self._table(paths.gloss_csv, read_gloss_table) or {}
        )
        self.splits: dict[str, list[str]] = {
            split: ids
            for split in SPLITS
            if (ids := self._table(paths.index(split), read_index)) is not None
        }
        self.manifest = read_manifest(paths.manifest)
        self.clips = list(self._inspect(report))

    def _table(self, path: Path, read: Callable[[Path], Any]) -> Any:
        if not path.is_file():
            return None
        try:
            return read(path)
        except InputError as error:
            self.table_errors.append(f"{error.where or path}: {error.message}")
            return None

    def _inspect(self, report: Callable[..., None]) -> Iterator[ClipFacts]:
        folder = self.paths.keypoints_dir
        files = (
            sorted(p for p in folder.glob("*") if p.suffix in {".npz", ".npy"})
            if folder.is_dir()
            else []
        )
        for done, path in enumerate(files, 1):
            yield inspect_clip(self.paths, path, self.crop_frames.get(path.stem, {}))
            report("check", done=done, total=len(files))

    @cached_property
    def crop_frames(self) -> dict[str, dict[str, list[int]]]:
        """video id -> crop stream -> sorted frame numbers, from one listing of each folder."""
        found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for stream in CROP_STREAMS:
            folder = self.paths.crop_dir(stream)
            for path in sorted(folder.glob("*.jpg")) if folder.is_dir() else []:
                if match := _CROP_NAME.match(path.name):
                    found[match["id"]][stream].append(int(match["frame"]))
        return found


def inspect_clip(paths: CorpusPaths, path: Path, crops: dict[str, list[int]]) -> ClipFacts:
    """Read one clip and note what is wrong with it, by rule."""
    facts = ClipFacts(path.stem)
    try:
        clip = load_clip_keypoints(path)
    except InputError as error:
        facts.problems["C001"] = error.message
        return facts
    facts.frames, facts.layout = len(clip), clip.layout
    facts.estimator = str(clip.estimator.get("name", "unknown"))
    facts.coverage = coverage(clip)
    if len(clip) and np.any(np.diff(clip.time_s) <= 0):
        facts.problems["C005"] = "timestamps do not increase"
    for stream in CROP_STREAMS:
        if stream in crops and crops[stream] != list(range(len(clip))):
            facts.problems["C003"] = f"{stream}: {len(crops[stream])} crops for {len(clip)} frames"
    _check_pose(paths, facts)
    return facts


def coverage(clip: ClipKeypoints) -> dict[str, float]:
    """Share of frames in which each stream has at least one point."""
    layout = get_layout(clip.layout)
    return {
        stream: float(clip.valid[:, list(points)].any(axis=1).mean()) if len(clip) else 0.0
        for stream, points in layout.streams.items()
    }


def _check_pose(paths: CorpusPaths, facts: ClipFacts) -> None:
    path = paths.pose(facts.video_id)
    if not path.is_file():
        return
    try:
        frames = len(load_pose(path))
    except InputError as error:
        facts.problems["C002"] = error.message
        return
    if frames != facts.frames:
        facts.problems["C002"] = f"{frames} pose frames for {facts.frames} of keypoints"


def check_corpus(corpus: Corpus) -> list[Finding]:
    """Apply every rule and return the findings, errors first."""
    findings = [finding for rule in RULES for finding in rule(corpus) if finding.where]
    return sorted(findings, key=lambda f: (f.severity != "error", f.rule))


def _clip_rules(corpus: Corpus) -> Iterator[Finding]:
    messages = {
        "C001": "keypoint file cannot be read", "C002": "pose does not fit the keypoints",
        "C003": "crops do not fit the keypoints", "C005": "time runs backwards",
    }  # fmt: skip
    for rule, message in messages.items():
        where = [f"{c.video_id}: {c.problems[rule]}" for c in corpus.clips if rule in c.problems]
        yield Finding(rule, "error", message, where)
    empty = [c.video_id for c in corpus.clips if c.layout and not c.frames]
    yield Finding("C006", "error", "clip without frames", empty)
    if not corpus.clips:
        yield Finding("C000", "error", "no clips", [str(corpus.paths.keypoints_dir)])


def _uniformity_rules(corpus: Corpus) -> Iterator[Finding]:
    for rule, name, severity in (("C004", "layout", "error"), ("C007", "estimator", "warning")):
        counts = Counter(getattr(c, name) for c in corpus.clips if c.layout)
        usual = counts.most_common(1)[0][0] if counts else ""
        odd = [f"{c.video_id}: {getattr(c, name)}, the others {usual}"
               for c in corpus.clips if c.layout and getattr(c, name) != usual]  # fmt: skip
        yield Finding(rule, severity, f"another {name} than most clips", odd)  # type: ignore[arg-type]


def _quality_rules(corpus: Corpus) -> Iterator[Finding]:
    unseen = []
    for clip in corpus.clips:
        hands = [clip.coverage.get(name, 0.0) for name in ("hand_left", "hand_right")]
        if clip.frames and max(hands) < LOW_COVERAGE:
            unseen.append(f"{clip.video_id}: hands in {max(hands):.0%} of the frames")
    yield Finding("C008", "warning", "hands hardly ever seen", unseen)
    damaged = [i for i, record in corpus.manifest.items() if record.get("status") == "damaged"]
    yield Finding("C009", "warning", "extracted from a damaged video", damaged)


def _annotation_rules(corpus: Corpus) -> Iterator[Finding]:
    yield Finding("A001", "error", "table cannot be read", corpus.table_errors)
    if not corpus.paths.metadata_csv.is_file():
        yield Finding(
            "A002", "warning", "no texts: training needs them", [str(corpus.paths.metadata_csv)]
        )
        return
    ids = {clip.video_id for clip in corpus.clips}
    yield Finding("A003", "warning", "clip without text", sorted(ids - corpus.texts.keys()))
    yield Finding("A004", "warning", "text without clip", sorted(corpus.texts.keys() - ids))


def _gloss_rules(corpus: Corpus) -> Iterator[Finding]:
    frames = {clip.video_id: clip.frames for clip in corpus.clips}
    short = []
    for video_id, glosses in corpus.glosses.items():
        if 0 < frames.get(video_id, 0) < ctc_frames(glosses):
            short.append(f"{video_id}: {frames[video_id]} frames for {len(glosses)} glosses")
    yield Finding("G001", "error", "too short for its glosses (CTC cannot align them)", short)
    known = {g for i in corpus.splits.get("train", ()) for g in corpus.glosses.get(i, ())}
    new = [
        f"{split} {video_id}: {gloss}"
        for split in ("val", "test")
        for video_id in corpus.splits.get(split, ())
        for gloss in corpus.glosses.get(video_id, ())
        if known and gloss not in known
    ]
    yield Finding("G002", "warning", "gloss that never occurs in training", new)


def _split_rules(corpus: Corpus) -> Iterator[Finding]:
    ids = {clip.video_id for clip in corpus.clips}
    homes: dict[str, list[str]] = defaultdict(list)
    sentences: dict[str, set[str]] = defaultdict(set)
    missing = []
    for split, members in corpus.splits.items():
        for video_id in members:
            homes[video_id].append(split)
            if video_id not in ids:
                missing.append(f"{split}: {video_id}")
            if text := corpus.texts.get(video_id):
                sentences[text.casefold()].add(split)
    absent = [split for split in ("train", "val") if split not in corpus.splits]
    yield Finding("S001", "warning", "split missing: training needs it", absent)
    yield Finding("S002", "error", "listed in a split, but there is no such clip", missing)
    shared = [f"{i}: {', '.join(s)}" for i, s in homes.items() if len(s) > 1]
    yield Finding("S003", "error", "clip in more than one split", shared)
    leaked = [text for text, splits in sentences.items() if "train" in splits and len(splits) > 1]
    yield Finding("S004", "warning", "sentence of training also in another split", leaked)


RULES: tuple[Callable[[Corpus], Iterator[Finding]], ...] = (
    _clip_rules, _uniformity_rules, _quality_rules, _annotation_rules, _gloss_rules, _split_rules,
)  # fmt: skip
