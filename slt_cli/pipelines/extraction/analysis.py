"""One pass over a video: landmarks, hands, crop boxes and crops of the frames of each piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from slt_cli.errors import SltError
from slt_cli.pipelines.extraction.background import Background
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.passing import Pass
from slt_cli.pipelines.extraction.pieces import Piece
from slt_cli.pipelines.extraction.running import KeepCrops, PieceResult, RunningPiece, no_result
from slt_cli.video.resample import Resampling
from slt_cli.video.source import FrameSource, open_source


def analyse(
    video: Path,
    pieces: Sequence[Piece],
    options: ExtractOptions,
    keep_crops: KeepCrops,
    tick: Callable[[int], None] = lambda frames: None,
) -> Iterator[tuple[Piece, PieceResult | SltError]]:
    """Decode the stretch of a video that holds `pieces` once and yield what each of them shows.

    Cropping and `keep_crops` run in a thread of their own beside the estimator. `tick` is told the
    number of frames worked on. A piece whose estimator cannot work is yielded as its error; errors
    of the video itself are raised.
    """
    opened = ExitStack()
    with opened:
        source = _open(video, pieces, options, opened)
        passing = Pass(source, options)
        crops = opened.enter_context(Background())
        waiting, running = deque(pieces), list[RunningPiece]()
        frames = 0
        try:
            for frame in source:
                passing.next(frame)
                yield from _finished(running, frame.time_s, passing)
                while waiting and (waiting[0].decode_from_s or 0.0) <= frame.time_s:
                    piece = waiting.popleft()
                    if not piece.covers(frame.time_s):  # over before a frame of it came
                        yield piece, no_result(piece, passing)
                        continue
                    try:
                        running.append(RunningPiece(piece, passing, options, crops, keep_crops))
                    except SltError as error:
                        yield piece, error
                for one in list(running):
                    try:
                        one.add(frame)
                    except SltError as error:
                        one.close()
                        running.remove(one)
                        yield one.piece, error
                frames += 1
                tick(frames)
        except SltError:
            if passing.frames or not pieces[0].number:
                raise  # a piece behind the end of a cut video is empty, not an error
        passing.ended = True
        yield from _finished(running, None, passing)
        for piece in waiting:
            yield piece, no_result(piece, passing)


def _open(
    video: Path, pieces: Sequence[Piece], options: ExtractOptions, opened: ExitStack
) -> FrameSource:
    """The video from the first piece's start to the last one's end, thinned as the options say."""
    starts = [piece.decode_from_s for piece in pieces]
    ends = [piece.end_s for piece in pieces]
    span = (
        None if None in starts else min(s for s in starts if s is not None),
        None if None in ends else max(e for e in ends if e is not None),
    )
    resampling = Resampling(options.fps, options.fps_limit, options.stride)
    choice = _Choice(pieces)
    source = opened.enter_context(
        open_source(video, span=span, frames_fps=options.frames_fps, keep=choice)
    )
    choice.wanted = resampling.selector(source.info.fps)
    return source


class _Choice:
    """Whether a frame is wanted. Holds no source: in a cycle, a decoder's buffers would live on."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self.wanted: Callable[[float], bool]

    def __call__(self, time_s: float) -> bool:
        return self.wanted(time_s) and any(piece.covers(time_s) for piece in self._pieces)


def _finished(
    running: list[RunningPiece], time_s: float | None, passing: Pass
) -> Iterator[tuple[Piece, PieceResult | SltError]]:
    """Take the pieces that end before `time_s` (all of them for None) out of `running`."""
    for one in list(running):
        end_s = one.piece.end_s
        if time_s is None or (end_s is not None and time_s >= end_s):
            running.remove(one)
            try:
                yield one.piece, one.result()
            finally:
                one.close()
