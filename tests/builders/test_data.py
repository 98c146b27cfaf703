"""Settings decide what is read of a clip."""

from __future__ import annotations

from slt_cli.builders.data import model_inputs
from slt_cli.data.inputs import ModelInputs
from slt_cli.settings.root import Settings


def test_every_setting_of_the_inputs_arrives() -> None:
    settings = Settings.model_validate(
        {
            "model": {
                "streams": ["keypoints", "pose", "face"], "sequence_length": 77, "image_size": 98,
                "pose_landmarks": 5,
            },
            "data": {
                "keypoint_normalization": "published", "keypoint_interpolate_gap": 3,
                "pose_normalization": "signmusketeers",
            },
        }
    )  # fmt: skip
    assert model_inputs(settings) == ModelInputs(
        streams=("keypoints", "pose", "face"), sequence_length=77, image_size=98,
        keypoints="published", interpolate_gap=3, pose="signmusketeers", pose_landmarks=5,
    )  # fmt: skip


def test_by_default_points_are_relative_to_the_signer_and_short_gaps_are_filled() -> None:
    inputs = model_inputs(Settings())
    assert (inputs.keypoints, inputs.pose) == ("signer", "signing_space_v1")
    assert inputs.interpolate_gap == 12
