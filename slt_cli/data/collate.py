"""Clips of different lengths to one padded batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from slt_cli.data.mixing import StreamMixing
from slt_cli.data.sample import Batch, ClipSample

IGNORE_LABEL = -100


def collate(samples: Sequence[ClipSample], mixing: StreamMixing | None = None) -> Batch:
    """Pad at the end; the masks say what is real. Streams are exchanged between clips first.

    Keypoints repeat their last frame, as the published MSKA does; the rest is zeros and False.
    """
    samples = samples if mixing is None else mixing.mixed(samples)
    names = samples[0].streams
    return Batch(
        video_ids=[sample.video_id for sample in samples],
        streams={
            name: _pad([s.streams[name] for s in samples], repeat=name.startswith("keypoints_"))
            for name in names
        },
        valid={name: _pad([sample.valid[name] for sample in samples]) for name in names},
        frame_valid=_pad([np.ones(sample.num_frames, bool) for sample in samples]),
        labels=_pad_lists([sample.labels for sample in samples], IGNORE_LABEL),
        glosses=_pad_lists([sample.glosses for sample in samples], 0),
        gloss_lengths=torch.tensor([len(sample.glosses) for sample in samples]),
        texts=[sample.text for sample in samples],
        gloss_texts=[sample.gloss_text for sample in samples],
    )


def _pad(arrays: Sequence[np.ndarray], repeat: bool = False) -> Tensor:
    longest = max(len(array) for array in arrays)
    out = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
        if repeat and len(array):
            row[len(array) :] = array[-1]
    return torch.from_numpy(out)


def _pad_lists(lists: Sequence[list[int]], fill: int) -> Tensor:
    out = torch.full((len(lists), max(1, *map(len, lists))), fill)
    for row, values in zip(out, lists, strict=True):
        row[: len(values)] = torch.tensor(values, dtype=torch.long)
    return out
