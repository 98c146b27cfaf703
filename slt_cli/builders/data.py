"""Datasets from settings."""

from __future__ import annotations

from collections.abc import Sequence

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.crop_augment import CropAugmentation
from slt_cli.data.crops import CROP_FOLDERS
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.mixing import StreamMixing
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import UsageError
from slt_cli.settings.data import DataSettings
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
    """The dataset of one split, augmented for training.

    Raises `UsageError` when crops should be augmented whose features are kept.
    """
    if augment:
        _check_features_can_be_kept(settings)
    return ClipDataset(
        corpus, records, inputs=model_inputs(settings), tokenizer=tokenizer, glosses=glosses,
        max_target_length=settings.data.max_target_length,
        augment=_augmentation(settings.data) if augment else None,
        augment_crops=_crop_augmentation(settings.data) if augment else None,
        seed=settings.training.seed,
    )  # fmt: skip


def build_mixing(settings: Settings) -> StreamMixing | None:
    """What is exchanged between the clips of a training batch; None when nothing is."""
    shares = {part: share for part, share in settings.data.mix_streams.items() if share > 0}
    return StreamMixing(shares, settings.training.seed) if shares else None


def model_inputs(settings: Settings) -> ModelInputs:
    """What the model of these settings reads of a clip."""
    data, model = settings.data, settings.model
    return ModelInputs(
        streams=tuple(model.streams), sequence_length=model.sequence_length,
        image_size=model.image_size, keypoints=data.keypoint_normalization,
        interpolate_gap=data.keypoint_interpolate_gap, pose=data.pose_normalization,
        pose_landmarks=model.pose_landmarks, center=data.keypoint_normalize_center,
    )  # fmt: skip


def _augmentation(data: DataSettings) -> KeypointAugmentation:
    return KeypointAugmentation(
        scale=data.keypoint_scale_range, rotate=data.keypoint_rotate_range,
        translate=data.keypoint_translate_range, resample=data.keypoint_resample_range,
        lose_points=data.keypoint_point_dropout, lose_frames=data.keypoint_frame_dropout,
        jitter=data.temporal_jitter, mirror=data.keypoint_mirror,
        kind=data.keypoint_normalization,
    )  # fmt: skip


def _crop_augmentation(data: DataSettings) -> CropAugmentation | None:
    """None when every crop stays as it is."""
    augmentation = CropAugmentation(data.crop_color_jitter, tuple(data.crop_zoom_range))
    return None if augmentation == CropAugmentation() else augmentation


def _check_features_can_be_kept(settings: Settings) -> None:
    """Raise `UsageError` when kept features would hide a change of their crops."""
    data, model = settings.data, settings.model
    changing = {
        "crop_color_jitter": data.crop_color_jitter > 0,
        "crop_zoom_range": tuple(data.crop_zoom_range) != (1.0, 1.0),
        "keypoint_mirror": data.keypoint_mirror > 0,
    }
    kept = [
        part for part in CROP_FOLDERS
        if part in model.streams and getattr(model, f"freeze_{part}_backbone")
    ]  # fmt: skip
    names = [f"data.{name}" for name, changes in changing.items() if changes]
    if data.feature_cache and kept and names:
        raise UsageError(
            f"data.feature_cache keeps one feature per crop of {', '.join(kept)}, and "
            f"{', '.join(names)} would change the crops",
            where="data.feature_cache", hint=f"turn off data.feature_cache or {names[0]}",
        )  # fmt: skip
