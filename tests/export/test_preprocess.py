"""`preprocess.json`: what it says is what the corpus side does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from slt_cli.data.inputs import ModelInputs
from slt_cli.errors import InputError
from slt_cli.export.preprocess import Preprocess

SPEC = Preprocess(
    layout="coco_wholebody_133", normalisation="published", streams=("keypoints", "pose", "face"),
    num_points={"body": 79, "face": 26}, sequence_length=400, image_size=32, pose_landmarks=17,
    glosses=("A", "B"), bos_id=1, eos_id=2, pad_id=0, max_length=12, landmarks={"name": "made"},
    interpolate_gap=3, pose_normalisation="signmusketeers",
)  # fmt: skip


def test_written_and_read_again_it_is_the_same() -> None:
    assert Preprocess.from_json(SPEC.to_json(), "x") == SPEC


def test_it_holds_all_that_decides_what_is_read_of_a_clip() -> None:
    assert Preprocess.from_json(SPEC.to_json(), "x").inputs == ModelInputs(
        streams=("keypoints", "pose", "face"), sequence_length=400, image_size=32,
        keypoints="published", interpolate_gap=3, pose="signmusketeers", pose_landmarks=17,
    )  # fmt: skip


def test_shapes_follow_the_kind_of_the_pose() -> None:
    assert SPEC.stream_shapes() == {
        "keypoints_body": (79, 3), "keypoints_face": (26, 3), "pose": (7, 2),
        "crops_face": (3, 32, 32),
    }  # fmt: skip
    assert SPEC.valid_shapes()["pose"] == (7,)
    stored = replace(SPEC, pose_normalisation="signing_space_v1")
    assert stored.stream_shapes()["pose"] == (17, 3)


@pytest.mark.parametrize("schema", [1, 99])
def test_another_schema_is_refused_with_what_to_do(schema: int) -> None:
    fields = {**json.loads(SPEC.to_json()), "schema": schema}
    with pytest.raises(InputError, match=f"schema {schema}") as caught:
        Preprocess.from_json(json.dumps(fields), "x")
    assert "export the run again" in str(caught.value.hint)
