"""One pass over a video: landmarks, hands, crop boxes and crops of the frames of each piece."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from slt_cli.errors import SltError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.hands import assign_hands
from slt_cli.landmarks.layouts import Layout, get_layout
from slt_cli.landmarks.people import PeopleCounter
from slt_cli.landmarks.privacy import hide_face
from slt_cli.landmarks.rois import CropTracker, cut_crop
from slt_cli.landmarks.signer import find_signer, from_region
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import Piece
from slt_cli.video.damage import DamageReport, count_gaps
from slt_cli.video.decode import Frame
from slt_cli.video.resample import Resampling
from slt_cli.video.source import FrameSource, open_source, sample_frames

Crops = list[npt.NDArray[np.uint8]]
KeepCrops = Callable[[Piece, int, Crops], None]
"""Takes the crops of a piece's frame, by its number in the piece; called from another thread."""

_PENDING = 8  # frames whose crops may wait while the estimator works on the next
_SAMPLES = 12
_COMPONENTS = ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND")


@dataclass(frozen=True)
class PieceResult:
    """What was seen in a piece of T frames.

    `points` (T, V, 3), `confidence` and `valid` (T, V), `time_s` (T,), `boxes` (T, 3, 4), `sources`
    (T, 3). `facts` are plain values: counts, damage, what the source and estimator were.
    """

    points: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    time_s: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.int32]
    sources: npt.NDArray[np.uint8]
    facts: dict[str, Any]

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True)
class _Row:
    time_s: float
    landmarks: FrameLandmarks
    boxes: npt.NDArray[np.int32]
    sources: npt.NDArray[np.uint8]


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
        source = opened.enter_context(_open(video, pieces, options))
        passing = _Pass(source, options)
        crops = opened.enter_context(_Background())
        waiting, running = deque(pieces), list[_Running]()
        frames = 0
        try:
            for frame in source:
                passing.next(frame)
                yield from _finished(running, frame.time_s, passing)
                while waiting and (waiting[0].decode_from_s or 0.0) <= frame.time_s:
                    piece = waiting.popleft()
                    if not piece.covers(frame.time_s):  # over before a frame of it came
                        yield piece, _nothing(piece, passing)
                        continue
                    try:
                        running.append(_Running(piece, passing, options, crops, keep_crops))
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
            yield piece, _nothing(piece, passing)


def _open(video: Path, pieces: Sequence[Piece], options: ExtractOptions) -> FrameSource:
    """The video from the first piece's start to the last one's end, thinned as the options say."""
    starts = [piece.decode_from_s for piece in pieces]
    ends = [piece.end_s for piece in pieces]
    span = (
        None if None in starts else min(s for s in starts if s is not None),
        None if None in ends else max(e for e in ends if e is not None),
    )
    wanted: list[Callable[[float], bool]] = []
    resampling = Resampling(options.fps, options.fps_limit, options.stride)

    def keep(time_s: float) -> bool:
        if not wanted:
            wanted.append(resampling.selector(source.info.fps))
        return wanted[0](time_s) and any(piece.covers(time_s) for piece in pieces)

    source = open_source(video, span=span, frames_fps=options.frames_fps, keep=keep)
    return source


class _Pass:
    """Where a pass over a source stands: what was wrong with it before the frame at hand."""

    def __init__(self, source: FrameSource, options: ExtractOptions) -> None:
        self.source = source
        self.options = options
        self.frames = 0
        self.ended = False
        self.before = replace(source.damage)
        self.now = replace(source.damage)
        self._regions: dict[Any, Any] = {}

    def next(self, frame: Frame) -> None:
        self.frames += 1
        self.before, self.now = self.now, replace(self.source.damage)

    def region(self, piece: Piece) -> npt.NDArray[np.int32] | None:
        """The part of the picture that holds the signer of a clip; None is all of it."""
        rule, clip = self.options.signer, piece.clip
        if rule == "auto":
            return None
        if clip not in self._regions:
            pictures = sample_frames(
                self.source.path, _SAMPLES, span=(clip.start_s, clip.end_s),
                frames_fps=self.options.frames_fps,
            )  # fmt: skip
            self._regions[clip] = find_signer(rule, pictures)
        region: npt.NDArray[np.int32] | None = self._regions[clip]
        return region


class _Background:
    """One thread that works through what it is given, a few tasks behind at most."""

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)

    def submit(self, task: Callable[..., None], *args: Any) -> None:
        if len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(task, *args))

    def finish(self) -> None:
        while self._pending:
            self._pending.popleft().result()


class _Running:
    """A piece while its frames come by, with an estimator of its own."""

    def __init__(
        self,
        piece: Piece,
        passing: _Pass,
        options: ExtractOptions,
        crops: _Background,
        keep_crops: KeepCrops,
    ) -> None:
        self.piece = piece
        self._passing = passing
        self._options = options
        self._crops = crops
        self._keep_crops = keep_crops
        self._rows: list[_Row] = []
        self._counts: Counter[str] = Counter()
        self._tracker: CropTracker | None = None
        self._damage = passing.before
        with ExitStack() as stack:
            estimator = create_estimator(
                options.estimator, passing.source.path,
                model_sha256=options.model_sha256, landmarks_dir=options.landmarks_dir,
            )  # fmt: skip
            self._estimator = stack.enter_context(closing(estimator))
            self._layout = get_layout(estimator.layout)
            # Landmarks that come from a file are those of the whole picture.
            self._region = passing.region(piece) if estimator.sees_pixels else None
            self._people = PeopleCounter() if estimator.sees_pixels else None
            if self._people is not None:
                stack.enter_context(closing(self._people))
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def add(self, frame: Frame) -> None:
        size = (frame.rgb.shape[1], frame.rgb.shape[0])
        tracker = self._tracker = self._tracker or CropTracker(
            self._layout, size, self._options.box_scale
        )
        landmarks, hands = assign_hands(self._landmarks(frame, size), self._layout, size)
        boxes, sources = tracker.next(landmarks, frame.time_s)
        if self.piece.start_s is not None and frame.time_s < self.piece.start_s:
            return  # only to bring the tracker into step
        if self._people is not None and not frame.is_corrupt:
            self._people.look(frame.rgb, frame.time_s)
        if not self._rows:
            self._damage = self._passing.before
        row = _Row(frame.time_s, landmarks, boxes, sources)
        self._counts[f"hands_{hands}"] += 1
        self._counts["unusable_points"] += landmarks.unusable
        if self._options.crop_streams:
            self._crops.submit(self._cut, frame.rgb, row, len(self._rows))
        self._rows.append(row)

    def result(self) -> PieceResult:
        """What was seen, once the last frame of the piece has passed."""
        self._crops.finish()
        rows, info = self._rows, self._passing.source.info
        points, boxes = len(self._layout), np.zeros((0, 3, 4), np.int32)
        if not rows:
            return _nothing(self.piece, self._passing, self._layout)
        valid = np.stack([row.landmarks.valid for row in rows])
        facts = {
            "frames": len(rows),
            "layout": self._layout.name,
            "estimator": {
                "name": self._estimator.name,
                "version": self._estimator.version,
                "settings": self._estimator.settings,
            },
            "frame_size": [info.width, info.height],
            "fps": _fraction(info.fps),
            "counts": dict(self._counts),
            "seen": {
                name.lower(): int(valid[:, list(self._layout.component(name))].any(axis=1).sum())
                for name in _COMPONENTS
            },
            "people": self._people and {"most": self._people.most, "usual": self._people.usual},
            "damage": _damage(self._damage, self._passing, self.piece, rows),
        }
        return PieceResult(
            np.stack([row.landmarks.points for row in rows]).reshape(-1, points, 3),
            np.stack([row.landmarks.confidence for row in rows]),
            valid,
            np.array([row.time_s for row in rows]),
            np.stack([row.boxes for row in rows]).astype(boxes.dtype),
            np.stack([row.sources for row in rows]),
            facts,
        )

    def _landmarks(self, frame: Frame, size: tuple[int, int]) -> FrameLandmarks:
        if frame.is_corrupt:
            return _missing(self._layout)
        rgb, region = frame.rgb, self._region
        if region is not None:
            left, top, right, bottom = region
            rgb = np.ascontiguousarray(rgb[top:bottom, left:right])
        try:
            found = self._estimator.process(rgb, frame.time_s)
        except SltError:
            raise
        except (RuntimeError, ValueError):
            self._counts["failed_frames"] += 1
            return _missing(self._layout)
        return found if region is None else from_region(found, region, size)

    def _cut(self, rgb: npt.NDArray[np.uint8], row: _Row, index: int) -> None:
        size = self._options.crop_size
        crops: Crops = [cut_crop(rgb, box, size) for box in row.boxes]
        if self._options.face_privacy != "none":
            crops = hide_face(
                crops, row.boxes, row.sources, row.landmarks, self._layout,
                (rgb.shape[1], rgb.shape[0]), self._options.face_privacy,
            )  # fmt: skip
        self._keep_crops(self.piece, index, crops)


def _finished(
    running: list[_Running], time_s: float | None, passing: _Pass
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


def _missing(layout: Layout) -> FrameLandmarks:
    count = len(layout)
    return FrameLandmarks(
        np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.bool_)
    )


def _nothing(piece: Piece, passing: _Pass, layout: Layout | None = None) -> PieceResult:
    """A piece of which no frame could be read."""
    info, points = passing.source.info, len(layout) if layout else 0
    facts = {
        "frames": 0, "layout": layout.name if layout else None, "estimator": None,
        "frame_size": [info.width, info.height], "fps": _fraction(info.fps), "counts": {},
        "seen": {}, "people": None, "damage": _damage(passing.now, passing, piece, []),
    }  # fmt: skip
    return PieceResult(
        np.zeros((0, points, 3), np.float32), np.zeros((0, points), np.float32),
        np.zeros((0, points), np.bool_), np.zeros(0), np.zeros((0, 3, 4), np.int32),
        np.zeros((0, 3), np.uint8), facts,
    )  # fmt: skip


def _damage(
    before: DamageReport, passing: _Pass, piece: Piece, rows: Sequence[_Row]
) -> DamageReport:
    """What was wrong with the video between the start of a piece and now."""
    source = passing.source.damage
    now = source if passing.ended else passing.before
    times = [row.time_s for row in rows]
    step_s, gaps = count_gaps(times, source.step_s)
    report = DamageReport(
        frames=len(rows),
        corrupt_frames=now.corrupt_frames - before.corrupt_frames,
        bad_packets=now.bad_packets - before.bad_packets,
        gaps=gaps,
        pts_repaired=now.pts_repaired - before.pts_repaired,
        first_s=times[0] if times else piece.start_s or 0.0,
        last_s=times[-1] + step_s if times else 0.0,
        step_s=step_s,
    )
    if not passing.ended:
        return report  # the video goes on behind this piece
    expected_s = source.expected_s  # None when the span ended first, or nothing is promised
    if expected_s is not None and piece.end_s is not None:
        expected_s = piece.end_s
    return replace(
        report,
        expected_s=expected_s,
        last_s=max(report.last_s, source.last_s) if times else 0.0,
        file_is_cut=source.file_is_cut,
        file_is_broken=source.file_is_broken,
    )


def _fraction(fps: Fraction | None) -> list[int] | None:
    return [fps.numerator, fps.denominator] if fps else None
