"""The two shapes in which data travels: one clip, and one batch of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass
class ClipSample:
    """One clip as arrays. Stream names: `keypoints_<part>`, `pose`, `crops_<part>`.

    `streams[name]` is (T, V, C) for points, with C = 3 (x, y, confidence) or 2 (x, y), and
    (T, 3, H, W) for crops; `valid[name]` is (T, V) or (T,). `labels` are token ids with the end
    token, `glosses` gloss ids from 1, without the glosses that training does not know;
    `gloss_text` has all of them. `item` is the epoch and the number of the clip.
    """

    video_id: str
    streams: dict[str, npt.NDArray[np.float32]]
    valid: dict[str, npt.NDArray[np.bool_]]
    text: str
    labels: list[int]
    glosses: list[int]
    gloss_text: str = ""
    item: tuple[int, int] = (0, 0)

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
    gloss_texts: list[str]  # all glosses, also unknown ones

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device`; pinned memory is not waited for."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; loaders with `pin_memory` call this."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            streams={name: change(tensor) for name, tensor in self.streams.items()},
            valid={name: change(tensor) for name, tensor in self.valid.items()},
            frame_valid=change(self.frame_valid), labels=change(self.labels),
            glosses=change(self.glosses), gloss_lengths=change(self.gloss_lengths),
        )  # fmt: skip
