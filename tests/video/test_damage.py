from __future__ import annotations

import pytest

from slt_cli.video.damage import DamageReport, count_gaps, merge_damage


@pytest.mark.parametrize(
    ("expected_s", "last_s", "is_cut", "truncated"),
    [
        (4.0, 3.93, False, False),  # within two frames
        (4.0, 3.91, False, True),
        (40.0, 39.3, False, False),  # within 2 %
        (4000.0, 3998.9, False, True),  # never more than 1 s
        (4.0, 3.93, True, True),  # a cut file is taken at its word
        (4.0, 3.99, True, False),  # cut behind the last frame
        (None, 3.0, False, False),
        (None, 3.0, True, True),
    ],
)
def test_what_counts_as_truncated(
    expected_s: float | None, last_s: float, is_cut: bool, truncated: bool
) -> None:
    report = DamageReport(100, expected_s=expected_s, last_s=last_s, file_is_cut=is_cut)
    assert report.is_truncated is report.is_damaged is truncated
    assert bool(report.describe()) is truncated


def test_each_kind_of_damage_is_named() -> None:
    report = DamageReport(
        90, 3, 7, expected_s=4.0, last_s=3.0, file_is_cut=True, file_is_broken=True
    )
    assert report.describe() == (
        "it ends at 3.00 s instead of 4.00 s, 7 unreadable packets, 3 corrupt frames, "
        "parts of the file are overwritten"
    )
    assert DamageReport(5, last_s=2.0, file_is_cut=True).describe() == (
        "the file is cut; it ends at 2.00 s"
    )
    assert DamageReport(5, file_is_broken=True).is_damaged


def test_spans_are_merged_as_one_pass_sees_them() -> None:
    merged = merge_damage([
        DamageReport(10, 1, 2, gaps=1, pts_repaired=1, first_s=0.0, last_s=1.0, step_s=0.1),
        DamageReport(0, 0, 4, first_s=1.0, last_s=1.0),  # nothing readable from 1 s to 2 s
        DamageReport(20, 2, 0, first_s=2.0, last_s=3.0, step_s=0.05, expected_s=5.0,
                     file_is_cut=True),
    ])  # fmt: skip
    assert merged == DamageReport(
        30, 3, 6, gaps=2, pts_repaired=1, expected_s=5.0, first_s=0.0, last_s=3.0, step_s=0.05,
        file_is_cut=True,
    )  # fmt: skip
    assert merged.is_truncated


def test_merging_nothing_or_one_changes_nothing() -> None:
    assert merge_damage([]) == DamageReport()
    one = DamageReport(3, 1, 2, 1, 1, 9.0, 0.5, 2.5, 0.04, True, True)
    assert merge_damage([one]) == one


def test_gaps_are_steps_far_longer_than_the_usual_one() -> None:
    assert count_gaps([0.0, 1.0, 2.0, 3.4, 5.0, 6.0], 9.0) == (1.0, 1)
    assert count_gaps([0.0], 0.5) == (0.5, 0)


@pytest.mark.parametrize(
    ("frames", "gaps", "last_s", "damaged"),
    [
        (60, 0, 2.4, False),
        (59, 1, 2.4, False),  # a frame that the camera left out
        (44, 1, 2.4, True),  # 16 frames gone in one place
        (44, 10, 2.4, False),  # steps that vary all the time hide nothing
        (1000, 15, 41.0, True),
    ],
)
def test_a_hole_in_a_steady_video_is_damage(
    frames: int, gaps: int, last_s: float, damaged: bool
) -> None:
    report = DamageReport(frames=frames, gaps=gaps, expected_s=last_s, last_s=last_s, step_s=0.04)
    assert report.is_damaged == damaged
    assert ("have no frame" in report.describe()) == damaged
