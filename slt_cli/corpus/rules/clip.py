"""One clip under inspection: everything about it while its arrays are in memory, little after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.corpus.rules.crops import CropListing
from slt_cli.corpus.rules.limits import Limits
from slt_cli.corpus.rules.pictures import CropSample, look_at_crop
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import COMPONENTS, Layout, get_layout


@dataclass(frozen=True)
class ClipFacts:
    """What stays of a clip once it has been checked; `unreadable` says why it could not be.

    `fps` is measured from the times, None where they do not tell. `coverage` is the share of frames
    in which each part of the signer has a point. `source` identifies what the clip was made from:
    the file's sha256 and the span cut out of it.
    """

    video_id: str
    frames: int = 0
    fps: float | None = None
    layout: str = ""
    estimator: str = ""
    settings: str = ""
    source: str = ""
    source_name: str = ""
    coverage: dict[str, float] = field(default_factory=dict)
    streams: tuple[str, ...] = ()
    crop_sizes: tuple[tuple[int, int], ...] = ()
    unreadable: str = ""

    @property
    def worst_coverage(self) -> float:
        """Share of frames of the body, or of the hand seen more often, whichever is less."""
        return min(self.coverage.get("body", 0.0), self.hand_coverage)

    @property
    def hand_coverage(self) -> float:
        """Share of frames of the hand that is seen more often."""
        return max(self.coverage.get(name, 0.0) for name in ("hand_left", "hand_right"))


@dataclass(frozen=True)
class OpenClip:
    """A clip whose arrays are in memory, for the rules that look at one clip."""

    video_id: str
    arrays: ClipKeypoints
    paths: CorpusPaths
    crops: CropListing
    limits: Limits

    def __len__(self) -> int:
        return len(self.arrays)

    @cached_property
    def layout(self) -> Layout:
        """The layout of its points."""
        return get_layout(self.arrays.layout)

    @property
    def is_extracted(self) -> bool:
        """Whether slt wrote it; a bare array of an older corpus knows nothing of its crops."""
        return bool(self.arrays.estimator)

    @property
    def crop_streams(self) -> tuple[str, ...]:
        """The crop streams it has."""
        return self.crops.streams(self.video_id)

    @cached_property
    def fps(self) -> float | None:
        """Frames per second by its times, on average."""
        time_s = self.arrays.time_s
        seconds = float(time_s[-1] - time_s[0]) if len(time_s) else 0.0
        return (len(time_s) - 1) / seconds if seconds > 0 else None

    @cached_property
    def coverage(self) -> dict[str, float]:
        """Share of frames in which each part of the signer has at least one point."""
        if not len(self):
            return dict.fromkeys(COMPONENTS, 0.0)
        valid, component = self.arrays.valid, self.layout.component
        return {
            part: float(valid[:, list(component(name))].any(axis=1).mean())
            for part, name in COMPONENTS.items()
        }

    @cached_property
    def samples(self) -> list[CropSample]:
        """A few crops of each stream: first, middle, last, and one that should be missing."""
        return [
            look_at_crop(self.crops, stream, self.video_id, frame)
            for stream in self.crop_streams
            for frame in self._sampled_frames(stream)
        ]

    def _sampled_frames(self, stream: str) -> Iterator[int]:
        present = self.crops.frames(stream, self.video_id)
        present = present[present < len(self)]
        if not len(present):
            return
        source = self.arrays.crop_source[CROP_STREAMS.index(stream)][present]
        missing = present[source == 0]
        chosen = {present[0], present[len(present) // 2], present[-1], *missing[:1]}
        yield from sorted(int(frame) for frame in chosen)

    def facts(self) -> ClipFacts:
        """What the rules for the whole corpus need of it."""
        source, arrays = self.arrays.source, self.arrays
        streams = [*self.crop_streams, *(["pose"] if self.has_pose else [])]
        sizes = {sample.size for sample in self.samples if not sample.problem}
        return ClipFacts(
            self.video_id, len(self), self.fps, arrays.layout, _told(arrays.estimator),
            str(source.get("settings", "")), _identity(source), str(source.get("name", "")),
            self.coverage, tuple(streams), tuple(sorted(sizes)),
        )  # fmt: skip

    @property
    def has_pose(self) -> bool:
        """Whether there is a pose file."""
        return self.paths.pose(self.video_id).is_file()


def unreadable(video_id: str, error: InputError) -> ClipFacts:
    """What stays of a clip that cannot be read."""
    return ClipFacts(video_id, unreadable=error.message.removeprefix(f"clip {video_id}: "))


def _told(estimator: dict[str, Any]) -> str:
    """Estimator in words: `mediapipe 0.10.21 {"model_complexity": 1}`."""
    if not estimator:
        return "unknown"
    settings = estimator.get("settings") or {}
    told = f"{estimator.get('name', 'unknown')} {estimator.get('version', '')}".rstrip()
    return f"{told} {json.dumps(settings, sort_keys=True)}" if settings else told


def _identity(source: dict[str, Any]) -> str:
    sha256 = source.get("sha256")
    part = source.get("member") or source.get("span") or ""
    return f"{sha256} {part}".rstrip() if sha256 else ""
