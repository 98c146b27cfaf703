"""Clips of a corpus as training samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.clip_head import read_head
from slt_cli.data.clips import Clip, ClipCache
from slt_cli.data.crop_augment import CropAugmentation, CropChange
from slt_cli.data.crops import CROP_FOLDERS, read_crops
from slt_cli.data.feature_cache import FeatureCache
from slt_cli.data.inputs import Masks, ModelInputs, Points
from slt_cli.data.mirror import OPPOSITE
from slt_cli.data.sample import ClipSample
from slt_cli.data.sampler import Item
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError


@dataclass(frozen=True)
class _Survey:
    """What the heads of all clips tell: frames read of each, landmarks, a clip of others."""

    lengths: list[int]
    landmarks: dict[str, Any]
    stranger: tuple[str, dict[str, Any]] | None


class ClipDataset(Dataset[ClipSample]):
    """Samples by (epoch, index): the epoch decides the augmentation, so workers change nothing.

    Without `augment` and `augment_crops` the samples are always the same. Crops may lie loose or
    packed in shards; for the parts in `features` the features of their frozen backbones are given
    in place of them, and those must not be augmented.

    Raises `InputError` for a damaged shard when crops are among the streams.
    """

    def __init__(
        self,
        corpus: CorpusPaths,
        records: Sequence[ClipRecord],
        *,
        inputs: ModelInputs,
        tokenizer: TextTokenizer,
        glosses: Sequence[str],
        max_target_length: int,
        augment: KeypointAugmentation | None,
        augment_crops: CropAugmentation | None = None,
        seed: int,
    ) -> None:
        self.corpus = corpus
        self.records = list(records)
        self.inputs = inputs
        self.tokenizer = tokenizer
        self.gloss_ids = {gloss: i + 1 for i, gloss in enumerate(glosses)}
        self.max_target_length = max_target_length
        self.augment = augment
        self.augment_crops = augment_crops
        self.seed = seed
        self.features: Mapping[str, FeatureCache] = {}
        self._crops = CropStore(corpus) if set(CROP_FOLDERS) & set(inputs.streams) else None
        self._clips = ClipCache(corpus, inputs, mirror=augment is not None and augment.mirror > 0)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, item: Item) -> ClipSample:
        """One clip. Raises `InputError` naming a file that turns out to be unreadable."""
        epoch, index = item
        record = self.records[index]
        clip = self._clips.read(record.video_id)
        rng = np.random.default_rng([self.seed, epoch, index])
        frames = self._frames(clip.time_s, rng)
        mirrored = self.augment is not None and self.augment.is_mirrored(rng)
        streams, valid = clip.at(frames, mirrored=mirrored)
        if self.augment is not None:
            self._augment(streams, valid, clip.time_s[frames], rng)
        for part in CROP_FOLDERS:
            if part in self.inputs.streams:
                change = self._crop_change(rng, mirrored)
                source = OPPOSITE.get(part, part) if mirrored else part
                streams[f"crops_{part}"] = self._crop_stream(record, part, source, frames, change)
                valid[f"crops_{part}"] = _crop_seen(clip, source)[frames]
        return ClipSample(
            record.video_id, streams, valid, record.text,
            self.tokenizer.encode(record.text, self.max_target_length),
            [self.gloss_ids[g] for g in record.glosses if g in self.gloss_ids],
            " ".join(record.glosses), (epoch, index),
        )  # fmt: skip

    def lengths(self) -> list[int]:
        """Frames of every clip after thinning, for batches of similar length."""
        return list(self._survey.lengths)

    def num_points(self) -> dict[str, int]:
        """Keypoint part -> points, from the first clip."""
        clip = self._clips.read(self.records[0].video_id)
        prefix = "keypoints_"
        return {
            name.removeprefix(prefix): points.shape[1]
            for name, points in clip.points.items()
            if name.startswith(prefix)
        }

    def pose_dim(self) -> int:
        """Values of the pose in one frame; 0 when it is not read."""
        return self.inputs.pose_dim

    def landmarks(self) -> dict[str, Any]:
        """Layout and estimator of the clips. Raises `InputError` when they differ between clips."""
        if self._survey.stranger is not None:
            video_id, found = self._survey.stranger
            raise InputError(
                f"clips of different landmarks: {self.records[0].video_id} has "
                f"{self._survey.landmarks}, {video_id} has {found}",
                where=str(self.corpus.keypoints_dir),
                hint="extract the whole corpus with one estimator",
            )
        return self._survey.landmarks

    @cached_property
    def _survey(self) -> _Survey:
        """One look at every clip; their points are read when they are needed."""
        lengths, first, stranger = [], None, None
        for record in self.records:
            head = read_head(self.corpus.keypoints(record.video_id))
            lengths.append(len(self.inputs.frames(head.time_s)))
            first = head.landmarks if first is None else first
            if stranger is None and head.landmarks != first:
                stranger = record.video_id, head.landmarks
        return _Survey(lengths, first or {}, stranger)

    def _frames(
        self, time_s: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """In training a random span at a random speed; of that, what the model has room for."""
        if self.augment is None:
            return self.inputs.frames(time_s)
        span = self.augment.span(time_s, rng)
        played = span[self.augment.frame_index(len(span), rng)]
        return played[self.inputs.frames(time_s[played])]

    def _augment(
        self,
        streams: Points,
        valid: Masks,
        time_s: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> None:
        """Replace the keypoints of a clip by changed ones; what gets lost is filled like gaps."""
        prefix = "keypoints_"
        parts = {n.removeprefix(prefix): p for n, p in streams.items() if n.startswith(prefix)}
        if self.augment is None or not parts:
            return
        points = self.augment.points(parts, rng)
        kept = self.augment.keep({part: valid[prefix + part] for part in parts}, rng)
        for part, seen in kept.items():
            if seen is not valid[prefix + part]:
                points[part], seen = self.inputs.filled(points[part], seen, time_s)
            streams[prefix + part], valid[prefix + part] = points[part], seen

    def _crop_change(self, rng: np.random.Generator, mirrored: bool) -> CropChange | None:
        if self.augment_crops is not None:
            return replace(self.augment_crops.draw(rng), mirrored=mirrored)
        return CropChange(mirrored=True) if mirrored else None

    def _crop_stream(
        self,
        record: ClipRecord,
        part: str,
        source: str,
        frames: npt.NDArray[np.int64],
        change: CropChange | None,
    ) -> npt.NDArray[np.float32]:
        """Crops (T, 3, H, W) of `source` in the place of `part`, or features of `part` (T, D)."""
        if part in self.features:
            return self.features[part].read(record.video_id)[frames]
        assert self._crops is not None
        size = self.inputs.image_size
        return read_crops(self._crops, record.video_id, source, frames, size, change)


def _crop_seen(clip: Clip, part: str) -> npt.NDArray[np.bool_]:
    seen: npt.NDArray[np.bool_] = clip.crop_source[list(CROP_FOLDERS).index(part)] > 0
    return seen
