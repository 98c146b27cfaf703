"""What a backbone setting may say, and how a wrong one is answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slt_cli.builders.backbones import (
    check_backbone_spec,
    load_dinov2_backbone,
    replace_with_dinov2,
)
from slt_cli.data.crops import MEAN, STD
from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.models.backbones import PIXEL_MEAN, PIXEL_STD, VIT_MODELS, build_vit
from slt_cli.models.multistream import MultiStreamEncoder

TINY = {"image_size": 28, "patch_size": 14, "embed_dim": 8, "depth": 4, "num_heads": 2}


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain state dict with the tensors of DINOv2 ViT-S/14, as published."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "dinov2_vits14_pretrain.pth"
    torch.save(build_vit("dinov2_vits14").state_dict(), path)
    return path


@pytest.mark.parametrize("name", sorted(VIT_MODELS))
def test_a_name_gives_a_random_backbone_of_that_shape(name: str) -> None:
    assert load_dinov2_backbone(name).embed_dim == 384


def test_a_published_state_dict_is_loaded_as_it_is(official: Path) -> None:
    vit = load_dinov2_backbone(f"file::{official}:dinov2_vits14")
    weights = torch.load(official, weights_only=True)
    assert all(torch.equal(vit.state_dict()[name], weights[name]) for name in weights)
    assert vit.interpolate == "scale_offset"


@pytest.mark.parametrize("suffix", [":slt_vitsmall_patch16", ":dinov2_vits14_reg", ":dinov3", ""])
def test_a_wrong_or_missing_model_is_answered_with_the_right_one(
    official: Path, suffix: str
) -> None:
    with pytest.raises(InputError, match="the file holds dinov2_vits14") as caught:
        load_dinov2_backbone(f"file::{official}{suffix}")
    assert caught.value.hint == f"write file::{official}:dinov2_vits14"


def test_a_file_of_this_project_names_its_model_too(tmp_path: Path) -> None:
    path = tmp_path / "backbone.pt"
    vit = build_vit("slt_vitsmall_patch16")
    torch.save({"state_dict": vit.state_dict(), "model": "slt_vitsmall_patch16"}, path)
    with pytest.raises(InputError) as caught:
        load_dinov2_backbone(f"file::{path}:dinov2_vits14")
    assert caught.value.hint == f"write file::{path}:slt_vitsmall_patch16"


def test_weights_that_fit_no_model_are_listed(tmp_path: Path, official: Path) -> None:
    weights = torch.load(official, weights_only=True)
    del weights["norm.bias"]
    weights["head.weight"] = torch.zeros(3)
    weights["mask_token"] = torch.zeros(1, 5)
    path = tmp_path / "altered.pt"
    torch.save(weights, path)
    with pytest.raises(InputError) as caught:
        load_dinov2_backbone(f"file::{path}:dinov2_vits14")
    message = caught.value.message
    assert message.startswith("173 of 175 tensors of the backbone match; ")
    assert "missing: norm.bias" in message
    assert "unexpected: head.weight" in message
    assert "mask_token (1, 5) instead of (1, 384)" in message


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"missing: .* and 170 more; unexpected: weight"):
        load_dinov2_backbone(f"file::{path}:dinov2_vits14")


def test_a_missing_file_is_a_missing_asset(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset) as caught:
        load_dinov2_backbone(f"file::{tmp_path / 'gone.pt'}:dinov2_vits14")
    assert caught.value.where == str(tmp_path / "gone.pt")


@pytest.mark.parametrize("spec", ["dinov2_vitl14", "custom", ""])
def test_an_unknown_name_is_a_mistake_in_the_settings(spec: str) -> None:
    with pytest.raises(UsageError, match="unknown backbone"):
        load_dinov2_backbone(spec)
    with pytest.raises(UsageError, match="unknown backbone") as caught:
        check_backbone_spec(spec, "model.face_backbone")
    assert caught.value.where == "model.face_backbone"
    assert "dinov2_vits14_reg" in (caught.value.hint or "")


@pytest.mark.parametrize("spec", [*VIT_MODELS, "file::anything.pt:custom"])
def test_names_and_files_pass_the_check_of_a_plan(spec: str) -> None:
    check_backbone_spec(spec, "model.face_backbone")


def chunked(weights: dict[str, Tensor], size: int) -> dict[str, Tensor]:
    """Names as in training checkpoints of DINOv2: chunks of blocks, counted through."""
    return {
        re.sub(r"^blocks\.(\d+)\.", lambda m: f"blocks.{int(m[1]) // size}.{m[1]}.", name): tensor
        for name, tensor in weights.items()
    }


def of_a_teacher(weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A teacher as the trainer of DINOv2 writes it: with the heads of its losses."""
    heads = {
        "dino_head.mlp.0.weight": torch.zeros(2, 2),
        "ibot_head.last_layer.weight_g": torch.ones(1),
    }
    return {"teacher": {**{f"backbone.{n}": t for n, t in weights.items()}, **heads}}  # fmt: skip


@pytest.mark.parametrize("model", ["dinov2_vits14", "dinov2_vits14_reg"])
@pytest.mark.parametrize("layout", ["hub", "chunked", "teacher", "chunked teacher"])
def test_every_layout_of_dinov2_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, layout: str
) -> None:
    """With a table for 224 pixels, as trainers that never saw a larger picture write it."""
    for name, config in VIT_MODELS.items():
        small = {"embed_dim": 8, "depth": 7, "num_heads": 2}
        monkeypatch.setitem(VIT_MODELS, name, {**config, **small})
    written = build_vit("custom", {**VIT_MODELS[model], "image_size": 224})
    payload: dict[str, Any] = written.state_dict()
    payload = chunked(payload, 3) if "chunked" in layout else payload
    payload = of_a_teacher(payload) if "teacher" in layout else payload
    path = tmp_path / "published.pth"
    torch.save(payload, path)
    vit = load_dinov2_backbone(f"file::{path}:{model}")
    assert (vit.interpolate, vit.config["image_size"]) == (VIT_MODELS[model]["interpolate"], 224)
    found = vit.state_dict()
    assert list(found) == list(written.state_dict())  # and so it is saved: the hub's names
    assert all(torch.equal(found[name], t) for name, t in written.state_dict().items())
    wrong = "dinov2_vits14" if model.endswith("reg") else "dinov2_vits14_reg"
    with pytest.raises(InputError, match=f"the file holds {model}, not {wrong}") as caught:
        load_dinov2_backbone(f"file::{path}:{wrong}")
    assert caught.value.hint == f"write file::{path}:{model}"


def test_a_wrong_name_for_a_shape_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    vit = build_vit("custom", TINY)
    payload = {"kind": "vit", "model": "custom", "vit": vit.config}
    torch.save({**payload, "state_dict": vit.state_dict()}, path)
    with pytest.raises(InputError, match="the file holds custom, not dinov2_vits14") as caught:
        load_dinov2_backbone(f"file::{path}:dinov2_vits14")
    assert caught.value.hint == f"write file::{path}:custom"
    assert load_dinov2_backbone(f"file::{path}:custom").config["depth"] == 4


@pytest.mark.parametrize(
    ("model", "said"), [("custom", "does not describe"), ("dinov9", "unknown")]
)
def test_weights_of_no_known_shape_need_a_name_that_fits(
    tmp_path: Path, model: str, said: str
) -> None:
    path = tmp_path / "own.pt"
    torch.save(build_vit("custom", TINY).state_dict(), path)
    with pytest.raises(InputError, match=said) as caught:
        load_dinov2_backbone(f"file::{path}:{model}")
    assert "dinov2_vits14" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["mska", "translator"])
def test_a_file_that_holds_something_else_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.pt"
    torch.save({"kind": kind, "state_dict": {"a": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match=f"no image backbone but '{kind}'") as caught:
        load_dinov2_backbone(f"file::{path}:custom")
    assert "slt export backbone" in (caught.value.hint or "")


def test_backbones_of_an_encoder_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    new = build_vit("custom", {**TINY, "embed_dim": 4})
    torch.save({"model": "custom", "vit": new.config, "state_dict": new.state_dict()}, path)
    parts = {part: build_vit("custom", TINY) for part in ("face", "hand_left")}
    encoder = MultiStreamEncoder(backbones=parts, frozen=frozenset(["face"]), d_model=6)
    same = replace_with_dinov2(encoder, {"face": f"file::{path}:custom"})
    assert same is encoder
    assert torch.equal(encoder.backbones["face"].cls_token, new.cls_token)
    assert not encoder.backbones["face"].cls_token.requires_grad
    assert encoder.backbones["hand_left"] is parts["hand_left"]
    valid = torch.ones(1, 2, dtype=torch.bool)
    crops = {f"crops_{part}": torch.randn(1, 2, 3, 28, 28) for part in parts}
    assert encoder(crops, dict.fromkeys(crops, valid), valid).shape == (1, 2, 6)


def test_a_replacement_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    parts = {part: build_vit("custom", TINY) for part in ("face", "hand_left")}
    encoder = MultiStreamEncoder(backbones=parts)
    with pytest.raises(MissingAsset):
        replace_with_dinov2(
            encoder, {"face": "slt_vitsmall_patch16", "hand_left": f"file::{tmp_path}/x.pt:custom"}
        )
    with pytest.raises(UsageError, match="no backbone 'body'") as caught:
        replace_with_dinov2(encoder, {"face": "slt_vitsmall_patch16", "body": "dinov2_vits14"})
    assert caught.value.hint == "it has: face, hand_left"
    assert dict(encoder.backbones.items()) == parts


def test_pretraining_and_training_normalise_pixels_alike() -> None:
    assert MEAN.ravel().tolist() == pytest.approx(PIXEL_MEAN)
    assert STD.ravel().tolist() == pytest.approx(PIXEL_STD)
