"""From a run to the setting that loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from slt_cli.builders import load_dinov2_backbone
from slt_cli.models.backbones import VIT_MODELS, build_vit
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.export import export_backbone
from slt_cli.pretraining.loop import BEST, LAST, pretrain


def quiet(event: str, **facts: Any) -> None:
    pass


@pytest.fixture
def run(tmp_path: Path, pictures: list[Path], tiny: PretrainConfig) -> dict[str, Any]:
    return pretrain(pictures, tmp_path / "run", tiny, quiet, lambda: None)


def test_the_backbone_file_holds_the_teacher_of_the_last_step(
    run: dict[str, Any], tmp_path: Path
) -> None:
    exported = torch.load(tmp_path / "run" / "backbone.pt", weights_only=True)
    teacher = torch.load(tmp_path / "run" / LAST, weights_only=True)["teacher"]
    assert len(exported["state_dict"]) == 8 - 1 + 2 * 14  # no registers, two blocks
    for name, tensor in exported["state_dict"].items():
        assert torch.equal(tensor, teacher[f"backbone.{name}"]), name
    assert (exported["kind"], exported["model"], exported["stream"]) == ("vit", "custom", "hands")
    assert exported["minimum_loss"] == run["minimum_loss"]
    assert exported["vit"]["depth"] == 2
    assert exported["vit"]["drop_path"] == 0


@pytest.mark.parametrize("name", ["backbone.pt", LAST, BEST])
def test_the_training_verb_loads_what_the_run_wrote(
    run: dict[str, Any], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "run" / name
    vit = load_dinov2_backbone(f"file::{path}:custom").eval()
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    payload = torch.load(path, weights_only=True)
    weights = payload.get("state_dict") or {
        k.removeprefix("backbone."): v
        for k, v in payload["teacher"].items()
        if k.startswith("backbone.")
    }
    twin = build_vit("custom", payload["vit"]).eval()
    twin.load_state_dict(weights)
    assert torch.equal(vit(pixels).cls, twin(pixels).cls)


def test_the_summary_is_the_setting_that_loads_it(run: dict[str, Any]) -> None:
    assert load_dinov2_backbone(run["backbone"]).embed_dim == 16


def test_another_place_for_the_backbone(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    path = tmp_path / "elsewhere" / "hand.pt"
    summary = pretrain(
        pictures, tmp_path / "run", tiny, quiet, lambda: None, backbone_path=path
    )  # fmt: skip
    assert summary["backbone"] == f"file::{path}:custom"
    assert path.is_file()
    assert not (tmp_path / "run" / "backbone.pt").exists()


def test_a_known_shape_is_exported_under_its_name(tmp_path: Path) -> None:
    vit = build_vit("custom", {**VIT_MODELS["slt_vitsmall_patch16"], "drop_path": 0.1})
    name = export_backbone(tmp_path / "b.pt", vit, stream="face", minimum_loss=1.5, extra={})
    assert name == "slt_vitsmall_patch16"
    loaded = load_dinov2_backbone(f"file::{tmp_path / 'b.pt'}:slt_vitsmall_patch16")
    assert torch.equal(loaded.norm.weight, vit.norm.weight)
    assert torch.equal(loaded.blocks[11].attn.qkv.weight, vit.blocks[11].attn.qkv.weight)
