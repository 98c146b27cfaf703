"""The two shapes in which data travels: one clip, and one batch of clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass
class ClipSample:
    """One clip as arrays. Stream names: `keypoints_<part>`, `pose`, `crops_<part>`.

    `streams[name]` is (T, V, C) for points, with C = 3 (x, y, confidence) or 2 (x, y), and
    (T, 3, H, W) for crops; `valid[name]` is (T, V) or (T,). `labels` are token ids with the end
    token, `glosses` gloss ids from 1.
    """

    video_id: str
    streams: dict[str, npt.NDArray[np.float32]]
    valid: dict[str, npt.NDArray[np.bool_]]
    text: str
    labels: list[int]
    glosses: list[int]

    @property
    def num_frames(self) -> int:
        """Frames of the clip (T)."""
        return len(next(iter(self.valid.values())))


@dataclass
class Batch:
    """Clips padded to the longest: streams (B, T, ...), masks True where real."""

    video_ids: list[str]
    streams: dict[str, Tensor]
    valid: dict[str, Tensor]
    frame_valid: Tensor  # (B, T)
    labels: Tensor  # (B, L), IGNORE on padding
    glosses: Tensor  # (B, G), 0 on padding
    gloss_lengths: Tensor  # (B,)
    texts: list[str]

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device`."""
        return Batch(
            self.video_ids,
            {name: tensor.to(device) for name, tensor in self.streams.items()},
            {name: tensor.to(device) for name, tensor in self.valid.items()},
            self.frame_valid.to(device), self.labels.to(device),
            self.glosses.to(device), self.gloss_lengths.to(device), self.texts,
        )  # fmt: skip
