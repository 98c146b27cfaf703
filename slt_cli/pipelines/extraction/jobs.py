"""What a worker can be asked to do. A job tells its results one by one, and may call for others."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import SltError
from slt_cli.pipelines.extraction.clip import Record, commit_clip, stage_pieces, timing
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.overlay import overlay_clip
from slt_cli.pipelines.extraction.pieces import ClipSpan, Piece, divide
from slt_cli.pipelines.extraction.source import SourceFile, duration_s
from slt_cli.pipelines.extraction.stage import Stage


@dataclass(frozen=True)
class PieceDone:
    """One piece of a clip is staged; the clip is complete when all `total` are."""

    source: SourceFile
    clip: ClipSpan
    number: int
    total: int
    elapsed_s: float


Answer = Record | PieceDone | SltError


class Say(Protocol):
    """How a running job talks to the run it is part of."""

    def answer(self, video_id: str, answer: Answer) -> None:
        """A clip, or a piece of one, is settled."""

    def more(self, jobs: list[Job]) -> None:
        """These jobs are to be done next."""

    def frames(self, count: int) -> None:
        """So many frames have been worked on."""


class Job(Protocol):
    """Work of one process. `seconds` of video bound its time; None is unknown."""

    path: Path
    options: ExtractOptions
    seconds: float | None

    @property
    def video_ids(self) -> tuple[str, ...]:
        """The clips that it settles, in order."""
        ...

    def run(self, say: Say) -> None:
        """Do it, in a worker. An error raised here is the answer for every clip left open."""
        ...

    def retry(self, settled: Collection[str]) -> Job | None:
        """The job to run after a crash that is blamed on the first clip that was not settled."""
        ...


@dataclass(frozen=True)
class Place:
    """Where results go: the corpus, and the stage inside it."""

    corpus: CorpusPaths
    stage: Path


@dataclass(frozen=True)
class VideoJob:
    """Look at a video and divide its clips into pieces."""

    path: Path
    clips: tuple[ClipSpan, ...]
    place: Place
    options: ExtractOptions

    @property
    def seconds(self) -> float | None:
        """Time to hash the file: slow disks read 20 MB in a second."""
        return self.path.stat().st_size / 2e8 if self.path.is_file() else None

    @property
    def video_ids(self) -> tuple[str, ...]:
        return tuple(clip.video_id for clip in self.clips)

    def run(self, say: Say) -> None:
        duration = duration_s(self.path, self.options.frames_fps)
        source = SourceFile.of(self.path)
        groups = divide(self.clips, duration)
        say.more(
            [PiecesJob(source, pieces, self.place, self.options, duration) for pieces in groups]
        )

    def retry(self, settled: Collection[str]) -> Job | None:
        return None


@dataclass(frozen=True)
class PiecesJob:
    """Decode a stretch of a video once for all pieces in it; commit clips of a single piece."""

    source: SourceFile
    pieces: tuple[Piece, ...]
    place: Place
    options: ExtractOptions
    duration_s: float | None

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def seconds(self) -> float | None:
        ends = [p.end_s if p.end_s is not None else self.duration_s for p in self.pieces]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return None
        return max(0.0, max(known) - min(p.start_s or 0.0 for p in self.pieces))

    @property
    def video_ids(self) -> tuple[str, ...]:
        return tuple(piece.clip.video_id for piece in self.pieces)

    def run(self, say: Say) -> None:
        stage, begun = Stage(self.place.stage), time.monotonic()
        done = stage_pieces(self.source, self.pieces, stage, self.options, say.frames)
        for piece, error in done:
            elapsed_s, begun = time.monotonic() - begun, time.monotonic()
            answer: Answer = error or PieceDone(
                self.source, piece.clip, piece.number, piece.total, elapsed_s
            )
            if isinstance(answer, PieceDone) and piece.total == 1:
                answer = settle(CommitJob(answer, self.place, self.options))
            say.answer(piece.clip.video_id, answer)

    def retry(self, settled: Collection[str]) -> Self | None:
        left = [piece for piece in self.pieces if piece.clip.video_id not in settled]
        return replace(self, pieces=tuple(left[1:])) if left[1:] else None


@dataclass(frozen=True)
class CommitJob:
    """Move a clip whose pieces are all staged into the corpus, and draw it if that is wanted."""

    done: PieceDone
    place: Place
    options: ExtractOptions
    seconds: float | None = None

    @property
    def path(self) -> Path:
        return self.done.source.path

    @property
    def video_ids(self) -> tuple[str, ...]:
        return (self.done.clip.video_id,)

    def run(self, say: Say) -> None:
        say.answer(self.done.clip.video_id, settle(self))

    def retry(self, settled: Collection[str]) -> Job | None:
        return None


def settle(job: CommitJob) -> Record | SltError:
    """The record of the committed clip, or why it could not be."""
    done, place = job.done, job.place
    try:
        record = commit_clip(
            done.source, done.clip, done.total, Stage(place.stage), place.corpus, job.options
        )
        draw(done.source.path, place.corpus, done.clip, job.options)
    except SltError as error:
        return error
    return record | timing(record, done.elapsed_s)


@dataclass(frozen=True)
class DrawJob:
    """Draw a clip that was extracted earlier; `record` is its line in the manifest."""

    path: Path
    clip: ClipSpan
    record: dict[str, Any]
    place: Place
    options: ExtractOptions
    seconds: float | None = None

    @property
    def video_ids(self) -> tuple[str, ...]:
        return (self.clip.video_id,)

    def run(self, say: Say) -> None:
        draw(self.path, self.place.corpus, self.clip, self.options)
        say.answer(self.clip.video_id, self.record)

    def retry(self, settled: Collection[str]) -> Job | None:
        return None


def draw(video: Path, corpus: CorpusPaths, clip: ClipSpan, options: ExtractOptions) -> None:
    """Draw a stored clip, if the options ask for it."""
    drawn = options.overlay_files(clip.video_id)
    if drawn is not None:
        stored = load_clip_keypoints(corpus.keypoints(clip.video_id))
        overlay_clip(video, stored, *drawn, frames_fps=options.frames_fps)


@dataclass(frozen=True)
class ImportJob:
    """Take over the landmarks that a file holds, of one clip or of many."""

    path: Path
    name: str
    place: Place
    options: ExtractOptions
    overwrite: bool
    limit: int | None
    seconds: float | None = None

    @property
    def video_ids(self) -> tuple[str, ...]:
        return (self.name,)

    def run(self, say: Say) -> None:
        from slt_cli.pipelines.extraction.landmark_files import import_all

        for video_id, answer in import_all(
            SourceFile.of(self.path), self.name, self.place.corpus, self.options,
            overwrite=self.overwrite, limit=self.limit,
        ):  # fmt: skip
            say.answer(video_id, answer)

    def retry(self, settled: Collection[str]) -> Job | None:
        return None
