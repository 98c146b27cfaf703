from __future__ import annotations

import numpy as np

from slt_cli.data.collate import IGNORE_LABEL, collate
from slt_cli.data.sample import ClipSample


def clip(video_id: str, frames: int, labels: list[int], glosses: list[int]) -> ClipSample:
    return ClipSample(
        video_id,
        {"keypoints_body": np.full((frames, 2, 3), frames, np.float32)},
        {"keypoints_body": np.ones((frames, 2), bool)},
        video_id.upper(), labels, glosses,
    )  # fmt: skip


def test_short_clips_are_padded_with_zeros_and_false() -> None:
    batch = collate([clip("a", 2, [5, 2], [1]), clip("b", 4, [6, 7, 8, 2], [])])
    assert batch.frame_valid.tolist() == [[True, True, False, False], [True] * 4]
    assert (batch.streams["keypoints_body"][0, 2:] == 2).all()
    assert not batch.valid["keypoints_body"][0, 2:].any()
    assert batch.labels.tolist() == [[5, 2, IGNORE_LABEL, IGNORE_LABEL], [6, 7, 8, 2]]
    assert batch.glosses.tolist() == [[1], [0]]
    assert batch.gloss_lengths.tolist() == [1, 0]
    assert batch.texts == ["A", "B"]
