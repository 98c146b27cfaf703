"""Streams that start from files: what fits, and how what does not is answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from slt_cli.builders.states import load_mska_encoder_state
from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.mska.encoder import MSKAEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.vit import VisionTransformer
from slt_cli.pretraining.export import export_backbone
from slt_cli.storage.checkpoint import save_checkpoint

POINTS = {"body": 5, "face": 3, "hand_left": 4, "hand_right": 4}
PARTS = ("face", "hand_left", "hand_right")


@dataclass
class Streams:
    """The part of a translation model that states are for."""

    mska: MSKAEncoder | None
    encoder: MultiStreamEncoder | None


def vit(seed: int = 0, **changes: Any) -> VisionTransformer:
    torch.manual_seed(seed)
    shape = {"image_size": 16, "patch_size": 8, "embed_dim": 8, "depth": 2, "num_heads": 2}
    return VisionTransformer(**{**shape, **changes})


def mska(seed: int = 0, **changes: Any) -> MSKAEncoder:
    torch.manual_seed(seed)
    shape = {"num_points": POINTS, "num_classes": 3, "width": 16, "blocks": 2, "stream_heads": 2}
    return MSKAEncoder(**{**shape, **changes})


@pytest.fixture
def model() -> Streams:
    backbones = {part: vit(seed) for seed, part in enumerate(PARTS)}
    return Streams(mska(), MultiStreamEncoder(backbones=backbones, d_model=12))


def stack_file(path: Path, part: str, encoder: MSKAEncoder | None = None) -> Path:
    stack = (encoder or mska(9)).stacks[part]
    save_checkpoint(path, {"kind": "mska", "stream": part, "state_dict": stack.state_dict()})
    return path


def backbone_file(path: Path, backbone: VisionTransformer | None = None) -> Path:
    export_backbone(path, backbone or vit(9), stream="hands", minimum_loss=1.0, extra={})
    return path


def equal(module: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in module.state_dict().items())


def test_a_pretrained_backbone_starts_the_crops_of_both_hands(
    model: Streams, tmp_path: Path
) -> None:
    path = backbone_file(tmp_path / "hand.pt")
    lines = load_mska_encoder_state(model, hand=path)
    count = len(vit().state_dict())
    assert lines == [
        f"loaded {count} of {count} tensors of the crop backbone hand_left from {path}",
        f"loaded {count} of {count} tensors of the crop backbone hand_right from {path}",
    ]
    assert equal(model.encoder.backbones["hand_left"], vit(9))
    assert equal(model.encoder.backbones["hand_right"], vit(9))
    assert equal(model.encoder.backbones["face"], vit(0))


def test_a_stack_of_one_hand_starts_both(model: Streams, tmp_path: Path) -> None:
    path = stack_file(tmp_path / "hand.pt", "hand_right")
    lines = load_mska_encoder_state(model, hand=path)
    assert [line.partition(" from ")[0].rpartition(" ")[2] for line in lines] == [
        "hand_left", "hand_right",
    ]  # fmt: skip
    for part in ("hand_left", "hand_right"):
        assert equal(model.mska.stacks[part], mska(9).stacks["hand_right"])
    assert equal(model.mska.stacks["face"], mska().stacks["face"])


def test_files_of_both_kinds_for_all_streams(model: Streams, tmp_path: Path) -> None:
    lines = load_mska_encoder_state(
        model, face=backbone_file(tmp_path / "face.pt"),
        hand=stack_file(tmp_path / "hand.pt", "hand_left"),
        body=stack_file(tmp_path / "body.pt", "body"),
    )  # fmt: skip
    assert len(lines) == 4
    assert equal(model.encoder.backbones["face"], vit(9))
    assert equal(model.mska.stacks["body"], mska(9).stacks["body"])


def test_no_file_changes_nothing(model: Streams) -> None:
    assert load_mska_encoder_state(model) == []
    assert equal(model.mska, mska())


def test_frozen_backbones_stay_frozen(tmp_path: Path) -> None:
    encoder = MultiStreamEncoder(backbones={"face": vit()}, frozen=frozenset(["face"]))
    load_mska_encoder_state(Streams(None, encoder), face=backbone_file(tmp_path / "face.pt"))
    assert equal(encoder.backbones["face"], vit(9))
    assert not any(p.requires_grad for p in encoder.backbones["face"].parameters())


def test_a_stack_of_another_width_is_refused_tensor_by_tensor(
    model: Streams, tmp_path: Path
) -> None:
    path = stack_file(tmp_path / "wide.pt", "face", mska(width=32))
    before = mska().stacks["face"]
    with pytest.raises(InputError) as caught:
        load_mska_encoder_state(model, face=path)
    total = len(before.state_dict())
    assert f" of {total} tensors of the keypoint stack face match; " in caught.value.message
    assert "another shape: blocks.0." in caught.value.message
    assert "instead of" in caught.value.message
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 3
    assert equal(model.mska.stacks["face"], before)


def test_a_stack_of_other_points_is_refused(model: Streams, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tensors of the keypoint stack body match"):
        load_mska_encoder_state(model, body=stack_file(tmp_path / "hand.pt", "hand_left"))


def test_a_backbone_with_more_layers_is_refused(model: Streams, tmp_path: Path) -> None:
    path = backbone_file(tmp_path / "deep.pt", vit(depth=3))
    with pytest.raises(InputError, match=r"unexpected: blocks\.2\.attn\.proj\.bias.* and 9 more"):
        load_mska_encoder_state(model, face=path)


@pytest.mark.parametrize(
    ("kind", "part", "hint"),
    [
        ("mska", "face", "add keypoints to model.streams"),
        ("vit", "face", "add face to model.streams"),
        ("vit", "body", "a body has no crops"),
    ],
)
def test_a_stream_that_the_model_has_not_is_told(
    tmp_path: Path, kind: str, part: str, hint: str
) -> None:
    pose_only = Streams(None, MultiStreamEncoder(pose_dim=6))
    path = tmp_path / "state.pt"
    if kind == "mska":
        stack_file(path, part)
    else:
        backbone_file(path)
    with pytest.raises(InputError, match=r"loaded 0 of \d+ tensors: the model has no") as caught:
        load_mska_encoder_state(pose_only, **{part: path})
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("payload", [{"kind": "translator", "model": {}}, {"weight": 1}])
def test_a_file_that_holds_no_stream_is_told(
    model: Streams, tmp_path: Path, payload: dict[str, Any]
) -> None:
    save_checkpoint(tmp_path / "other.pt", payload)
    with pytest.raises(InputError, match=r"no stream but 'translator'|not say its kind"):
        load_mska_encoder_state(model, face=tmp_path / "other.pt")


def test_a_missing_file_is_a_missing_asset(model: Streams, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset) as caught:
        load_mska_encoder_state(model, hand=tmp_path / "gone.pt")
    assert caught.value.where == str(tmp_path / "gone.pt")
