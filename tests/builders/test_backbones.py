"""What a backbone setting may say, and how a wrong one is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slt_cli.builders import load_dinov2_backbone
from slt_cli.data.crops import MEAN, STD
from slt_cli.errors import InputError, MissingAsset
from slt_cli.models.backbones import PIXEL_MEAN, PIXEL_STD, VIT_MODELS, build_vit


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
def test_unknown_names_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match="unknown backbone"):
        load_dinov2_backbone(spec)


def test_pretraining_and_training_normalise_pixels_alike() -> None:
    assert MEAN.ravel().tolist() == pytest.approx(PIXEL_MEAN)
    assert STD.ravel().tolist() == pytest.approx(PIXEL_STD)
