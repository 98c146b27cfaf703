"""Clips of a corpus as training samples."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from slt_cli.corpus.clip_files import load_clip_keypoints, load_pose
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.crops import CROP_FOLDERS, read_crops
from slt_cli.data.feature_cache import FeatureCache
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.sample import ClipSample
from slt_cli.data.sampler import Item
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError

CACHE_BYTES = 512 * 2**20


@dataclass
class _Clip:
    """Normalised points of a whole clip, as cached."""

    points: dict[str, npt.NDArray[np.float32]]
    valid: dict[str, npt.NDArray[np.bool_]]
    time_s: npt.NDArray[np.float64]
    crop_source: npt.NDArray[np.uint8]
    landmarks: dict[str, Any]

    @property
    def num_bytes(self) -> int:
        return sum(array.nbytes for array in (*self.points.values(), *self.valid.values()))


class ClipDataset(Dataset[ClipSample]):
    """Samples by (epoch, index): the epoch decides the augmentation, so workers change nothing.

    Without `augment` the samples are always the same. Crops may lie loose or packed in shards; for
    the parts in `features` the features of their frozen backbones are given in place of them.

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
        seed: int,
    ) -> None:
        self.corpus = corpus
        self.records = list(records)
        self.inputs = inputs
        self.tokenizer = tokenizer
        self.gloss_ids = {gloss: i + 1 for i, gloss in enumerate(glosses)}
        self.max_target_length = max_target_length
        self.augment = augment
        self.seed = seed
        self.features: Mapping[str, FeatureCache] = {}
        self._crops = CropStore(corpus) if set(CROP_FOLDERS) & set(inputs.streams) else None
        self._cache: OrderedDict[str, _Clip] = OrderedDict()
        self._cache_bytes = 0

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, item: Item) -> ClipSample:
        epoch, index = item
        record = self.records[index]
        clip = self._clip(record.video_id)
        rng = np.random.default_rng([self.seed, epoch, index])
        frames = self._frames(clip.time_s, rng)
        streams = {name: points[frames] for name, points in clip.points.items()}
        valid = {name: mask[frames] for name, mask in clip.valid.items()}
        if self.augment is not None:
            self._augment(streams, valid, clip.time_s[frames], rng)
        for part in CROP_FOLDERS:
            if self._crops is not None and part in self.inputs.streams:
                streams[f"crops_{part}"] = self._crop_stream(record.video_id, part, frames)
                valid[f"crops_{part}"] = (
                    clip.crop_source[list(CROP_FOLDERS).index(part), frames] > 0
                )
        return ClipSample(
            record.video_id, streams, valid, record.text,
            self.tokenizer.encode(record.text, self.max_target_length),
            [self.gloss_ids[g] for g in record.glosses if g in self.gloss_ids],
        )  # fmt: skip

    def _crop_stream(
        self, video_id: str, part: str, frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Crops (T, 3, H, W), or what a frozen backbone makes of them (T, D)."""
        if part in self.features:
            return self.features[part].read(video_id)[frames]
        assert self._crops is not None
        return read_crops(self._crops, video_id, part, frames, self.inputs.image_size)

    def lengths(self) -> list[int]:
        """Frames of every clip after thinning, for batches of similar length."""
        return [
            len(self.inputs.frames(self._clip(record.video_id).time_s)) for record in self.records
        ]

    def num_points(self) -> dict[str, int]:
        """Keypoint part -> points, from the first clip."""
        clip = self._clip(self.records[0].video_id)
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
        first = self._clip(self.records[0].video_id).landmarks
        for record in self.records:
            found = self._clip(record.video_id).landmarks
            if found != first:
                raise InputError(
                    f"clips of different landmarks: {self.records[0].video_id} has {first}, "
                    f"{record.video_id} has {found}",
                    where=str(self.corpus.keypoints_dir),
                    hint="extract the whole corpus with one estimator",
                )
        return first

    def _frames(
        self, time_s: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        kept = self.inputs.frames(time_s)
        if self.augment is None:
            return kept
        played = kept[self.augment.frame_index(len(kept), rng)]
        return played[self.inputs.frames(np.arange(len(played), dtype=float))]

    def _augment(
        self,
        streams: dict[str, npt.NDArray[np.float32]],
        valid: dict[str, npt.NDArray[np.bool_]],
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

    def _clip(self, video_id: str) -> _Clip:
        if video_id in self._cache:
            self._cache.move_to_end(video_id)
            return self._cache[video_id]
        clip = self._load(video_id)
        self._cache[video_id] = clip
        self._cache_bytes += clip.num_bytes
        while self._cache_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cache_bytes -= self._cache.popitem(last=False)[1].num_bytes
        return clip

    def _load(self, video_id: str) -> _Clip:
        stored = load_clip_keypoints(self.corpus.keypoints(video_id))
        points, valid = self.inputs.points(stored, lambda: load_pose(self.corpus.pose(video_id)))
        landmarks = {"layout": stored.layout, **stored.estimator}
        return _Clip(points, valid, stored.time_s, stored.crop_source, landmarks)
