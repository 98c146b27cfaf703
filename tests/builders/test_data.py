"""Settings decide what is read of a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slt_cli.builders.data import build_dataset, build_mixing, model_inputs
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.crop_augment import CropAugmentation
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.mixing import StreamMixing
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import UsageError
from slt_cli.settings.root import Settings
from tests.corpora import write_corpus


def test_every_setting_of_the_inputs_arrives() -> None:
    settings = Settings.model_validate(
        {
            "model": {
                "streams": ["keypoints", "pose", "face"], "sequence_length": 77, "image_size": 98,
                "pose_landmarks": 5,
            },
            "data": {
                "keypoint_normalization": "published", "keypoint_interpolate_gap": 3,
                "pose_normalization": "signmusketeers", "keypoint_normalize_center": False,
            },
        }
    )  # fmt: skip
    assert model_inputs(settings) == ModelInputs(
        streams=("keypoints", "pose", "face"), sequence_length=77, image_size=98,
        keypoints="published", interpolate_gap=3, pose="signmusketeers", pose_landmarks=5,
        center=False,
    )  # fmt: skip


def test_by_default_points_are_relative_to_the_signer_and_short_gaps_are_filled() -> None:
    inputs = model_inputs(Settings())
    assert (inputs.keypoints, inputs.pose) == ("signer", "signing_space_v1")
    assert inputs.interpolate_gap == 12
    assert inputs.center


def build(tmp_path: Path, data: dict[str, Any], model: dict[str, Any], augment: bool = True) -> Any:
    corpus = CorpusPaths.from_root(write_corpus(tmp_path, train=1, val=1, test=1, frames=4))
    settings = Settings.model_validate({"data": data, "model": model})
    tokenizer = TextTokenizer.train(["x"], 300)
    records = read_split(corpus, "train")
    return build_dataset(settings, corpus, records, tokenizer, (), augment=augment)


def test_every_setting_of_the_augmentation_arrives(tmp_path: Path) -> None:
    data = {
        "keypoint_scale_range": (0.8, 1.1), "keypoint_rotate_range": (-3, 4),
        "keypoint_translate_range": (-0.1, 0.2), "keypoint_resample_range": (0.5, 2.0),
        "keypoint_point_dropout": 0.1, "keypoint_frame_dropout": 7, "temporal_jitter": 0.2,
        "keypoint_mirror": 0.5, "keypoint_normalization": "published",
        "crop_color_jitter": 0.3, "crop_zoom_range": (0.9, 1.2),
    }  # fmt: skip
    made = build(tmp_path, data, {})
    assert made.augment == KeypointAugmentation(
        scale=(0.8, 1.1), rotate=(-3, 4), translate=(-0.1, 0.2), resample=(0.5, 2.0),
        lose_points=0.1, lose_frames=7, jitter=0.2, mirror=0.5, kind="published",
    )  # fmt: skip
    assert made.augment_crops == CropAugmentation(color=0.3, zoom=(0.9, 1.2))
    plain = build(tmp_path, data, {}, augment=False)
    assert plain.augment is None
    assert plain.augment_crops is None


CHANGES = {
    "crop_color_jitter": 0.3, "crop_zoom_range": (0.9, 1.1), "keypoint_mirror": 0.5,
}  # fmt: skip
FROZEN = {"streams": ["keypoints", "face"], "freeze_face_backbone": True}


@pytest.mark.parametrize("name", CHANGES)
def test_kept_features_and_changing_crops_are_refused_by_both_names(
    tmp_path: Path, name: str
) -> None:
    data = {"feature_cache": True, name: CHANGES[name]}
    with pytest.raises(UsageError, match=rf"data\.feature_cache.*face.*data\.{name}"):
        build(tmp_path, data, FROZEN)
    assert build(tmp_path, data, FROZEN, augment=False)
    assert build(tmp_path, data, {**FROZEN, "freeze_face_backbone": False})
    assert build(tmp_path, {name: CHANGES[name]}, FROZEN)
    assert build(tmp_path, {"feature_cache": True}, FROZEN)


def test_streams_are_mixed_as_asked_for() -> None:
    settings = Settings.model_validate(
        {
            "model": {"streams": ["pose", "face"]}, "training": {"seed": 5},
            "data": {"mix_streams": {"face": 0.5, "pose": 1.0, "hand_left": 0.0}},
        }
    )  # fmt: skip
    assert build_mixing(settings) == StreamMixing({"face": 0.5, "pose": 1.0}, seed=5)
    assert build_mixing(Settings()) is None
