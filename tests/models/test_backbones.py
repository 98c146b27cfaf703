"""The backbones that have a name."""

from __future__ import annotations

import pytest
import torch

from slt_cli.errors import InputError, UsageError
from slt_cli.models.backbones import VIT_MODELS, ViTSmallPatch16, build_vit, model_name


def test_every_registered_model_is_found_by_its_arguments() -> None:
    for name, config in VIT_MODELS.items():
        assert model_name({**config, "drop_path": 0.1}) == name
    assert model_name({**VIT_MODELS["slt_vitsmall_patch16"], "depth": 4}) == "custom"


def test_the_class_users_import_is_the_registered_model() -> None:
    with torch.device("meta"):
        assert model_name(ViTSmallPatch16().config) == "slt_vitsmall_patch16"
        assert ViTSmallPatch16(image_size=96).pos_embed.shape == (1, 37, 384)


def test_tokens_of_a_picture_of_224_pixels() -> None:
    """257 tokens with patches of 14, four more with registers; 197 with patches of 16."""
    with torch.device("meta"):
        pixels = torch.zeros(1, 3, 224, 224)
        for name, count in (
            ("dinov2_vits14", 257), ("dinov2_vits14_reg", 261), ("slt_vitsmall_patch16", 197),
        ):  # fmt: skip
            output = build_vit(name)(pixels)
            assert 1 + output.registers.shape[1] + output.patches.shape[1] == count


def test_518_pixels_need_no_interpolation() -> None:
    with torch.device("meta"):
        vit = build_vit("dinov2_vits14")
        assert vit.position_table(37, 37) is vit.pos_embed


def test_an_unknown_name_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(UsageError, match="vit_huge") as caught:
        build_vit("vit_huge")
    assert "dinov2_vits14_reg" in (caught.value.hint or "")


def test_a_description_that_fits_nothing_is_bad_data() -> None:
    with pytest.raises(InputError, match="not a description"):
        build_vit("custom", {"depth": 2})
