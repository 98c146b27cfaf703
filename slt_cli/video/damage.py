"""What was wrong with a video, and how far that can be told from its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

DEFAULT_STEP_S = 0.04
_LONGEST_SLACK_S = 1.0
_HOLE_S = 0.15


@dataclass
class DamageReport:
    """What was wrong with a video or a span of it; complete once all its frames were read.

    `corrupt_frames` are those the decoder marks, `bad_packets` pieces it could not read, `gaps`
    steps of more than 1.5 times the usual one (also natural at variable frame rate), `pts_repaired`
    times that were missing or did not increase. `expected_s` is when the header lets the frames end
    (None if unknown, or if the span ended before the video did), `first_s` when the first frame
    begins, `last_s` when the last one ends. `file_is_cut`: the file lacks bytes at its end;
    `file_is_broken`: it has other bytes somewhere than its container allows (Matroska and WebM).
    """

    frames: int = 0
    corrupt_frames: int = 0
    bad_packets: int = 0
    gaps: int = 0
    pts_repaired: int = 0
    expected_s: float | None = None
    first_s: float = 0.0
    last_s: float = 0.0
    step_s: float = DEFAULT_STEP_S
    file_is_cut: bool = False
    file_is_broken: bool = False

    @property
    def is_truncated(self) -> bool:
        """Whether frames are missing at the end.

        More than half a frame must be missing from a file that is known to be cut; from others more
        than 2 frames and 2 % of the time, or 1 s: headers are that inexact.
        """
        if self.expected_s is None:
            return self.file_is_cut
        share_s = 0.02 * (self.expected_s - self.first_s)
        slack_s = max(2 * self.step_s, min(share_s, _LONGEST_SLACK_S))
        return self.expected_s - self.last_s > (0.5 * self.step_s if self.file_is_cut else slack_s)

    @property
    def missing_s(self) -> float:
        """Seconds without a frame inside a video of steady rate; 0 when its steps vary anyway.

        A demuxer that loses its way in overwritten bytes goes on at a later frame and says nothing.
        A frame or two that a camera left out are no such hole, nor missing pictures of a folder.
        """
        few = 0 < self.gaps <= max(2, 0.02 * self.frames) and 5 * self.gaps <= self.frames
        steady = few and self.expected_s is not None
        missing_s = self.last_s - self.first_s - self.frames * self.step_s
        return missing_s if steady and missing_s > _HOLE_S else 0.0

    @property
    def is_damaged(self) -> bool:
        """Whether frames are missing or wrong."""
        return bool(
            self.corrupt_frames or self.bad_packets or self.is_truncated or self.file_is_broken
            or self.missing_s
        )  # fmt: skip

    def describe(self) -> str:
        """The damage in words, empty when there is none."""
        words = []
        if self.is_truncated and self.expected_s is not None:
            words.append(f"it ends at {self.last_s:.2f} s instead of {self.expected_s:.2f} s")
        elif self.is_truncated:
            words.append(f"the file is cut; it ends at {self.last_s:.2f} s")
        if self.missing_s:
            words.append(f"{self.missing_s:.2f} s in between have no frame")
        if self.bad_packets:
            words.append(f"{self.bad_packets} unreadable packets")
        if self.corrupt_frames:
            words.append(f"{self.corrupt_frames} corrupt frames")
        if self.file_is_broken:
            words.append("parts of the file are overwritten")
        return ", ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the verdicts."""
        return asdict(self) | {"is_truncated": self.is_truncated, "is_damaged": self.is_damaged}


def count_gaps(times: Sequence[float], step_s: float) -> tuple[float, int]:
    """The usual step between times (`step_s` if there is none), and how many are far longer."""
    steps = [b - a for a, b in pairwise(times)]
    usual_s = median(steps) if steps else step_s
    return usual_s, sum(step > 1.5 * usual_s for step in steps)


def merge_damage(reports: Sequence[DamageReport]) -> DamageReport:
    """One report for consecutive spans of one video, as one pass over all of them would give it.

    Exact but for `step_s`, which is taken from the span with the most frames.
    """
    seen = [report for report in reports if report.frames]
    seams = sum(b.first_s - a.last_s > 0.5 * b.step_s for a, b in pairwise(seen))
    return DamageReport(
        frames=sum(r.frames for r in reports),
        corrupt_frames=sum(r.corrupt_frames for r in reports),
        bad_packets=sum(r.bad_packets for r in reports),
        gaps=seams + sum(r.gaps for r in reports),
        pts_repaired=sum(r.pts_repaired for r in reports),
        expected_s=max((r.expected_s for r in reports if r.expected_s is not None), default=None),
        first_s=min((r.first_s for r in seen), default=0.0),
        last_s=max((r.last_s for r in seen), default=0.0),
        step_s=max(seen, key=lambda r: r.frames).step_s if seen else DEFAULT_STEP_S,
        file_is_cut=any(r.file_is_cut for r in reports),
        file_is_broken=any(r.file_is_broken for r in reports),
    )
