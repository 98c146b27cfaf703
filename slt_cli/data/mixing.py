"""Streams exchanged between the clips of a batch, so that no single one is relied upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.data.sample import ClipSample

MIXABLE = ("face", "hand_left", "hand_right", "pose")
"""Parts that can be exchanged; each is drawn for by itself, whatever the others do."""


@dataclass(frozen=True)
class StreamMixing:
    """Part -> the share of the batches in which its stream goes around the clips.

    What happens to a batch is a function of `seed`, epoch and the numbers of its clips in their
    order. Clips are exchanged within one process: of a batch that several share, each mixes its
    own part.
    """

    shares: Mapping[str, float]
    seed: int

    def mixed(self, samples: Sequence[ClipSample]) -> list[ClipSample]:
        """The same clips, some with a stream of another; a batch of one stays as it is.

        When a stream goes around, every clip gets that of another one. A longer stream is cut to
        the clip's own frames, a shorter one padded with frames that are not valid.
        """
        mixed = list(samples)
        for part in MIXABLE:
            name = part if part == "pose" else f"crops_{part}"
            rng = np.random.default_rng(self._key(part, samples))
            if len(samples) < 2 or rng.random() >= self.shares.get(part, 0.0):
                continue
            circle = rng.permutation(len(samples))
            for to, source in zip(circle, np.roll(circle, 1), strict=True):
                mixed[to] = _with_stream(mixed[to], samples[source], name)
        return mixed

    def _key(self, part: str, samples: Sequence[ClipSample]) -> list[int]:
        epoch = samples[0].item[0]
        return [self.seed, MIXABLE.index(part), epoch, *(sample.item[1] for sample in samples)]


def _with_stream(sample: ClipSample, other: ClipSample, name: str) -> ClipSample:
    frames = sample.num_frames
    return replace(
        sample,
        streams=sample.streams | {name: _fitted(other.streams[name], frames)},
        valid=sample.valid | {name: _fitted(other.valid[name], frames)},
    )


def _fitted(array: npt.NDArray[Any], frames: int) -> npt.NDArray[Any]:
    fitted = np.zeros((frames, *array.shape[1:]), array.dtype)
    length = min(frames, len(array))
    fitted[:length] = array[:length]
    return fitted
