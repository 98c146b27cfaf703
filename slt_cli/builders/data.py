"""Datasets from settings."""

from __future__ import annotations

from collections.abc import Sequence

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.settings.root import Settings


def build_dataset(
    settings: Settings,
    corpus: CorpusPaths,
    records: Sequence[ClipRecord],
    tokenizer: TextTokenizer,
    glosses: Sequence[str],
    *,
    augment: bool,
) -> ClipDataset:
    """The dataset of one split, augmented for training."""
    data = settings.data
    return ClipDataset(
        corpus, records, inputs=model_inputs(settings), tokenizer=tokenizer, glosses=glosses,
        max_target_length=data.max_target_length,
        augment=KeypointAugmentation(
            scale=data.keypoint_scale_range, rotate=data.keypoint_rotate_range,
            translate=data.keypoint_translate_range, resample=data.keypoint_resample_range,
            lose_points=data.keypoint_point_dropout, lose_frames=data.keypoint_frame_dropout,
            kind=data.keypoint_normalization,
        ) if augment else None,
        seed=settings.training.seed,
    )  # fmt: skip


def model_inputs(settings: Settings) -> ModelInputs:
    """What the model of these settings reads of a clip."""
    data, model = settings.data, settings.model
    return ModelInputs(
        streams=tuple(model.streams), sequence_length=model.sequence_length,
        image_size=model.image_size, keypoints=data.keypoint_normalization,
        interpolate_gap=data.keypoint_interpolate_gap, pose=data.pose_normalization,
        pose_landmarks=model.pose_landmarks,
    )  # fmt: skip
