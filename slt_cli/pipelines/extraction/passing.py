"""What a pass over a source has come to, and what was wrong with it until then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.signer import find_signer
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan, Piece
from slt_cli.video.damage import DamageReport, count_gaps
from slt_cli.video.decode import Frame
from slt_cli.video.source import FrameSource, sample_frames

_SAMPLES = 12  # pictures of a clip in which its signer is looked for


class Pass:
    """Where a pass over a source stands: what was wrong with it before the frame at hand."""

    def __init__(self, source: FrameSource, options: ExtractOptions) -> None:
        self.source = source
        self.options = options
        self.frames = 0
        self.ended = False
        self.before = replace(source.damage)
        self.now = replace(source.damage)
        self._regions: dict[ClipSpan, npt.NDArray[np.int32] | None] = {}

    def next(self, frame: Frame) -> None:
        """Take note of the next frame."""
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
        return self._regions[clip]


def damage_of(
    before: DamageReport, passing: Pass, piece: Piece, times: Sequence[float]
) -> DamageReport:
    """What was wrong with the video between the start of a piece and now."""
    source = passing.source.damage
    now = source if passing.ended else passing.before
    step_s, gaps = count_gaps(times, source.step_s)
    report = DamageReport(
        frames=len(times),
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


def fraction(fps: Fraction | None) -> list[int] | None:
    """A frame rate as JSON."""
    return [fps.numerator, fps.denominator] if fps else None
