"""Filling short gaps in landmarks, for models; the files keep what was seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints

_CONFIDENCE = 2
_TRUST = 0.5


def fill_gaps(clip: ClipKeypoints, longest: int) -> ClipKeypoints:
    """Fill points that are missing for at most `longest` frames between two that show them.

    Each point goes in a straight line, at even speed in time, from where it was last seen to where
    it is seen next; confidence and depth change likewise. Filled points are valid in the result,
    with half of that confidence: a model can tell them from sightings, and weighs them less.
    Longer gaps, and those at either end of the clip, stay as they are.
    """
    if longest <= 0:
        return clip
    holed = np.flatnonzero(~clip.valid.all(axis=0))  # few points of a face mesh ever are
    values = np.concatenate([clip.keypoints[:, holed], clip.z[:, holed, None]], axis=2)
    filled, seen = fill_points(values, clip.valid[:, holed], clip.time_s, longest)
    keypoints, z, valid = clip.keypoints.copy(), clip.z.copy(), clip.valid.copy()
    keypoints[:, holed], z[:, holed], valid[:, holed] = filled[..., :-1], filled[..., -1], seen
    return replace(clip, keypoints=keypoints, z=z, valid=valid)


def fill_points(
    points: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    time_s: npt.NDArray[np.float64],
    longest: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """As `fill_gaps`, of points (T, V, C) x, y, confidence, ... and their mask (T, V)."""
    before, after = _neighbours(valid)
    fill = (before >= 0) & (after < len(valid)) & (after > before)
    fill &= after - before - 1 <= longest
    frames, columns = np.nonzero(fill)
    start, end = before[fill], after[fill]
    weight = _weight(time_s, frames, start, end)[:, None]
    points = points.copy()
    filled = points[start, columns] * (1 - weight) + points[end, columns] * weight
    filled[:, _CONFIDENCE] *= _TRUST
    points[frames, columns] = filled
    return points, valid | fill


def _neighbours(
    valid: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Last frame that shows a point and next one that does, (T, V) each; -1 and T where none."""
    frames = np.arange(len(valid))[:, None]
    before = np.maximum.accumulate(np.where(valid, frames, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, frames, len(valid))[::-1], axis=0)[::-1]
    return before, after


def _weight(
    time_s: npt.NDArray[np.float64],
    frames: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """How far each frame is on the way from `start` to `end`, in time."""
    span = time_s[end] - time_s[start]
    passed = time_s[frames] - time_s[start]
    return np.divide(passed, span, out=np.zeros_like(span), where=span > 0).astype(np.float32)
