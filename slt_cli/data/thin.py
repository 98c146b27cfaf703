"""Which frames of a clip are read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STRIDE = 4  # frames that the published network makes one of


def central_frames(num_frames: int, limit: int) -> npt.NDArray[np.int64]:
    """The central `limit` frames, cut at the end to a multiple of 4: what MSKA evaluates.

    The published limit is 400. Fewer than 4 frames stay as they are.
    """
    length = min(num_frames, limit)
    if length >= _STRIDE:
        length -= length % _STRIDE
    return np.arange(length) + max(0, num_frames - limit) // 2


def thin_by_time(time_s: npt.NDArray[np.floating], limit: int) -> npt.NDArray[np.int64]:
    """Indices of at most `limit` frames, spread evenly over time, ends included.

    A clip that is short enough keeps every frame once; nothing is ever stretched. A longer one
    keeps exactly `limit` of them (at least 2): to each of as many moments at even distances the
    nearest frame, or the next one that is still free where a frame is nearest to several.
    """
    num_frames = len(time_s)
    if num_frames <= limit:
        return np.arange(num_frames)
    moments = np.linspace(time_s[0], time_s[-1], limit)
    right = np.clip(np.searchsorted(time_s, moments), 1, num_frames - 1)
    left_is_nearer = moments - time_s[right - 1] <= time_s[right] - moments
    nearest = right - left_is_nearer
    order = np.arange(limit)
    later = np.maximum.accumulate(nearest - order) + order  # no frame twice
    return np.minimum(later, num_frames - limit + order)  # and enough left for what follows
