"""What a worker can be asked to do. A job tells its results one by one, and may call for others."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
from slt_cli.storage.atomic import disk_errors

_HASHED_PER_S = 20e6  # bytes that even a slow disk gives in a second


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

    def more(self, jobs: Sequence[Job]) -> None:
        """These jobs are to be done next."""

    def frames(self, count: int) -> None:
        """So many frames have been worked on."""

    def notes(self, notes: Sequence[str]) -> None:
        """What is worth telling besides the answers."""


@dataclass(frozen=True)
class Place:
    """Where results go: the corpus, and the stage inside it."""

    corpus: CorpusPaths
    stage: Path


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """Work of one process: `video_ids` are the clips that it settles, in order.

    Its time is bounded by ten times `seconds`; None is unknown.
    """

    path: Path
    video_ids: tuple[str, ...]
    place: Place
    options: ExtractOptions
    seconds: float | None = None

    @abstractmethod
    def run(self, say: Say) -> None:
        """Do it, in a worker. An error raised here is the answer for every clip left open."""

    def retry(self, settled: Collection[str]) -> Job | None:
        """The job to run after a crash, blamed on the first clip that is not `settled`."""
        return None


@dataclass(frozen=True, kw_only=True)
class VideoJob(Job):
    """Look at a video and divide its clips into pieces."""

    clips: tuple[ClipSpan, ...]

    @classmethod
    def of(
        cls, path: Path, clips: Sequence[ClipSpan], place: Place, options: ExtractOptions
    ) -> Self:
        """The job for all clips of one video."""
        seconds = path.stat().st_size / (10 * _HASHED_PER_S) if path.is_file() else None
        return cls(
            path=path, clips=tuple(clips), video_ids=tuple(clip.video_id for clip in clips),
            place=place, options=options, seconds=seconds,
        )  # fmt: skip

    def run(self, say: Say) -> None:
        """Hand back a `PiecesJob` for every group of pieces."""
        duration = duration_s(self.path, self.options.frames_fps)
        source = SourceFile.of(self.path)
        say.more(
            [
                PiecesJob.of(source, pieces, self.place, self.options, duration)
                for pieces in divide(self.clips, duration)
            ]
        )


@dataclass(frozen=True, kw_only=True)
class PiecesJob(Job):
    """Decode a stretch of a video once for all pieces in it; commit clips of a single piece."""

    source: SourceFile
    pieces: tuple[Piece, ...]
    duration_s: float | None

    @classmethod
    def of(
        cls, source: SourceFile, pieces: Sequence[Piece], place: Place, options: ExtractOptions,
        duration_s: float | None,
    ) -> Self:  # fmt: skip
        """The job for pieces of one video, which lasts `duration_s` as far as is known."""
        ends = [p.end_s if p.end_s is not None else duration_s for p in pieces]
        known = [end for end in ends if end is not None]
        start = min(piece.start_s or 0.0 for piece in pieces)
        return cls(
            path=source.path, video_ids=tuple(piece.clip.video_id for piece in pieces),
            place=place, options=options, source=source, pieces=tuple(pieces),
            duration_s=duration_s,
            seconds=max(0.0, max(known) - start) if len(known) == len(ends) else None,
        )  # fmt: skip

    def run(self, say: Say) -> None:
        """Answer piece by piece."""
        with disk_errors(self.place.corpus.root):
            self._answer_pieces(say)

    def _answer_pieces(self, say: Say) -> None:
        stage, begun = Stage(self.place.stage), time.monotonic()
        done = stage_pieces(self.source, self.pieces, stage, self.options, say.frames)
        for piece, error in done:
            elapsed_s, begun = time.monotonic() - begun, time.monotonic()
            answer: Answer = error or PieceDone(
                self.source, piece.clip, piece.number, piece.total, elapsed_s
            )
            if isinstance(answer, PieceDone) and piece.total == 1:
                answer = _settled(answer, self.place, self.options)
            say.answer(piece.clip.video_id, answer)

    def retry(self, settled: Collection[str]) -> Job | None:
        """The pieces behind the one that is to blame."""
        left = [piece for piece in self.pieces if piece.clip.video_id not in settled][1:]
        if not left:
            return None
        return self.of(self.source, left, self.place, self.options, self.duration_s)


@dataclass(frozen=True, kw_only=True)
class CommitJob(Job):
    """Move a clip whose pieces are all staged into the corpus, and draw it if that is wanted."""

    done: PieceDone

    @classmethod
    def of(cls, done: PieceDone, place: Place, options: ExtractOptions) -> Self:
        """The job for the clip that `done` is the last piece of."""
        return cls(
            path=done.source.path, video_ids=(done.clip.video_id,), place=place, options=options,
            done=done,
        )  # fmt: skip

    def run(self, say: Say) -> None:
        """Answer with the record."""
        say.answer(self.video_ids[0], _settled(self.done, self.place, self.options))


@dataclass(frozen=True, kw_only=True)
class DrawJob(Job):
    """Draw a clip that was extracted earlier; `record` is its line in the manifest."""

    record: dict[str, Any]

    def run(self, say: Say) -> None:
        """Answer with the record as it was."""
        draw(self.path, self.place.corpus, self.video_ids[0], self.options)
        say.answer(self.video_ids[0], self.record)


@dataclass(frozen=True, kw_only=True)
class ImportJob(Job):
    """Take over the landmarks that a file holds, of one clip or of many."""

    overwrite: bool
    limit: int | None

    def run(self, say: Say) -> None:
        """Answer clip by clip."""
        from slt_cli.pipelines.extraction.landmark_files import import_all

        clips = import_all(
            SourceFile.of(self.path), self.video_ids[0], self.place.corpus, self.options,
            overwrite=self.overwrite, limit=self.limit,
        )  # fmt: skip
        while True:
            try:
                say.answer(*next(clips))
            except StopIteration as end:
                say.notes(end.value)
                return


def draw(video: Path, corpus: CorpusPaths, video_id: str, options: ExtractOptions) -> None:
    """Draw a stored clip, if the options ask for it."""
    drawn = options.overlay_files(video_id)
    if drawn is not None:
        stored = load_clip_keypoints(corpus.keypoints(video_id))
        overlay_clip(video, stored, *drawn, frames_fps=options.frames_fps)


def _settled(done: PieceDone, place: Place, options: ExtractOptions) -> Record | SltError:
    """The record of the committed clip, or why it could not be."""
    try:
        record = commit_clip(
            done.source, done.clip, done.total, Stage(place.stage), place.corpus, options
        )
        draw(done.source.path, place.corpus, done.clip.video_id, options)
    except SltError as error:
        return error
    return record | timing(record, done.elapsed_s)
