"""The vision transformer against published numbers, shapes and its own invariants."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.models.backbones import build_vit
from slt_cli.models.vit import VisionTransformer
from tests.models.transformers_dinov2 import as_transformers_model

TINY = {"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


def tiny(**changes: object) -> VisionTransformer:
    return VisionTransformer(**{"image_size": 32, **TINY, **changes})


@pytest.fixture
def reference(real_data: Path) -> Path:
    return real_data / "reference_numbers"


def published(reference: Path, variant: str) -> VisionTransformer:
    registers = 4 if variant == "reg4" else 0
    vit = VisionTransformer(
        image_size=518, patch_size=14, embed_dim=64, depth=3, num_heads=4, num_registers=registers,
        interpolate="antialias" if registers else "scale_offset",
    )  # fmt: skip
    weights = {
        k: torch.from_numpy(v) for k, v in np.load(reference / "vit_tiny_weights.npz").items()
    }
    if not registers:
        del weights["register_tokens"]
    vit.load_state_dict(weights)
    return vit.eval()


def assert_close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours.detach().numpy() - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.real
@pytest.mark.parametrize("variant", ["plain", "reg4"])
@pytest.mark.parametrize("size", [224, 98])
@pytest.mark.parametrize("masking", ["nomask", "masked"])
def test_tokens_match_the_published_network(
    reference: Path, variant: str, size: int, masking: str
) -> None:
    numbers = np.load(reference / "vit_tiny_outputs.npz")
    pixels = torch.from_numpy(numbers[f"image_{size}"]).float() / 127.5 - 1
    mask = torch.from_numpy(numbers[f"mask_{size}"]) if masking == "masked" else None
    with torch.no_grad():
        output = published(reference, variant)(pixels, mask)
    name = f"{variant}.{size}.{masking}.x_norm_"
    assert_close(output.cls, numbers[name + "clstoken"])
    assert_close(output.patches, numbers[name + "patchtokens"])
    if variant == "reg4":
        assert_close(output.registers, numbers[name + "regtokens"])
    else:
        assert output.registers.shape[1] == 0


@pytest.mark.real
@pytest.mark.parametrize("variant", ["plain", "reg4"])
@pytest.mark.parametrize("size", [224, 98])
def test_position_tables_match_the_published_network(
    reference: Path, variant: str, size: int
) -> None:
    expected = np.load(reference / "vit_tiny_outputs.npz")[f"{variant}.{size}.position_table"]
    assert_close(published(reference, variant).position_table(size // 14, size // 14), expected)


@pytest.mark.real
@pytest.mark.parametrize(
    ("model", "key"), [("dinov2_vits14", "plain"), ("dinov2_vits14_reg", "reg4")]
)
def test_full_size_models_have_the_published_tensors(reference: Path, model: str, key: str) -> None:
    counts = json.loads((reference / "vit_s14_counts.json").read_text("utf-8"))[key]
    with torch.device("meta"):
        state = build_vit(model).state_dict()
    assert len(state) == counts["tensors"]
    assert sum(tensor.numel() for tensor in state.values()) == counts["parameters"]


def test_names_and_shapes_are_those_of_dinov2() -> None:
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in build_vit("dinov2_vits14_reg").state_dict().items()}
    block = {
        "norm1.weight": (384,), "norm1.bias": (384,), "norm2.weight": (384,), "norm2.bias": (384,),
        "attn.qkv.weight": (1152, 384), "attn.qkv.bias": (1152,),
        "attn.proj.weight": (384, 384), "attn.proj.bias": (384,),
        "mlp.fc1.weight": (1536, 384), "mlp.fc1.bias": (1536,),
        "mlp.fc2.weight": (384, 1536), "mlp.fc2.bias": (384,),
        "ls1.gamma": (384,), "ls2.gamma": (384,),
    }  # fmt: skip
    outside = {
        "cls_token": (1, 1, 384), "mask_token": (1, 384), "pos_embed": (1, 1370, 384),
        "register_tokens": (1, 4, 384), "patch_embed.proj.weight": (384, 3, 14, 14),
        "patch_embed.proj.bias": (384,), "norm.weight": (384,), "norm.bias": (384,),
    }  # fmt: skip
    inside = {f"blocks.{i}.{name}": shape for i in range(12) for name, shape in block.items()}
    assert shapes == outside | inside


def test_any_multiple_of_the_patch_size_is_accepted() -> None:
    output = tiny(num_registers=3)(torch.randn(2, 3, 48, 16))
    assert output.cls.shape == (2, 32)
    assert output.registers.shape == (2, 3, 32)
    assert output.patches.shape == (2, 6 * 2, 32)


def test_masked_patches_do_not_see_their_pixels() -> None:
    vit, pixels = tiny().eval(), torch.randn(1, 3, 32, 32)
    mask = torch.zeros(1, 16, dtype=torch.bool)
    mask[0, 0] = True
    changed = pixels.clone()
    changed[:, :, :8, :8] = 9.0  # the first patch only
    assert torch.equal(vit(pixels, mask).cls, vit(changed, mask).cls)
    assert not torch.equal(vit(pixels).cls, vit(changed).cls)


@pytest.mark.parametrize("interpolate", ["scale_offset", "antialias"])
def test_a_constant_position_table_stays_constant(interpolate: str) -> None:
    vit = tiny(interpolate=interpolate)
    vit.pos_embed.data[:, 1:] = 0.25
    table = vit.position_table(2, 7)
    assert table.shape == (1, 15, 32)
    torch.testing.assert_close(table[:, 1:], torch.full((1, 14, 32), 0.25))
    assert torch.equal(table[:, :1], vit.pos_embed[:, :1])


def test_drop_path_is_off_in_eval_and_keeps_the_mean_in_training() -> None:
    vit = tiny(depth=1, drop_path=0.0)
    block = vit.blocks[0]
    x = torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(0))
    full = block.eval()(x)
    block.drop_path = 0.5
    assert torch.equal(block(x), full)
    torch.manual_seed(0)
    branch = torch.ones(20_000, 1, 1)
    block.train()
    dropped = block._drop(branch)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)


def test_deeper_blocks_drop_more() -> None:
    assert [b.drop_path for b in tiny(depth=3, drop_path=0.2).blocks] == pytest.approx(
        [0, 0.1, 0.2]
    )


def test_config_rebuilds_the_same_shape() -> None:
    vit = tiny(num_registers=2, interpolate="antialias", mlp_ratio=3)
    twin = build_vit("custom", vit.config)
    twin.load_state_dict(vit.state_dict())
    pixels = torch.randn(1, 3, 24, 24)
    assert torch.equal(twin.eval()(pixels).cls, vit.eval()(pixels).cls)


@pytest.mark.parametrize(("registers", "side"), [(0, 32), (3, 32), (3, 48), (3, 16)])
def test_transformers_computes_the_same_with_the_same_weights(registers: int, side: int) -> None:
    """An independent implementation; without registers it interpolates otherwise, so not there."""
    torch.manual_seed(0)
    vit = tiny(num_registers=registers, interpolate="antialias").eval()
    for name, parameter in vit.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    pixels = torch.randn(2, 3, side, side)
    mask = torch.rand(2, (side // 8) ** 2) < 0.4
    other = as_transformers_model(vit)
    with torch.no_grad():
        for given in (None, mask):
            ours = vit(pixels, given)
            theirs = other(pixels, bool_masked_pos=given).last_hidden_state
            tokens = torch.cat([ours.cls[:, None], ours.registers, ours.patches], dim=1)
            torch.testing.assert_close(tokens, theirs, rtol=1e-5, atol=1e-5)


def test_no_image_gives_no_feature_and_no_gradient() -> None:
    vit = tiny(num_registers=2)
    output = vit(torch.zeros(0, 3, 48, 32))
    assert output.cls.shape == (0, 32)
    output.cls.sum().backward()
    assert not vit.cls_token.grad.any()
