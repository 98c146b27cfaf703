from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from slt_cli.errors import VerificationError
from slt_cli.export.onnx import (
    ENCODER,
    TRACED_FRAMES,
    TRACED_TOKENS,
    encoder_outputs,
    export_onnx,
)
from slt_cli.export.parity import check_tensors, random_batch
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import SltModel
from slt_cli.models.vit import VisionTransformer
from slt_cli.pipelines.result import silent
from tests.export.small_bundle import small_preprocess, talkative_model


def test_graphs_equal_the_model_at_other_shapes_than_the_traced_one(
    bundle: Path, model: SltModel
) -> None:
    found = check_tensors(model, small_preprocess(), bundle, tolerance=1e-5, report=silent)
    encoder = {d.shape for d in found if d.tensor == "memory"}
    decoder = {d.shape for d in found if d.tensor == "logits"}
    assert len(encoder) >= 3
    assert "B=1 T=1" in encoder
    assert any(shape.startswith("B=3") for shape in encoder)
    assert not any(f"T={TRACED_FRAMES}" in shape.split() for shape in encoder | decoder)
    assert not any(f"L={TRACED_TOKENS}" in shape.split() for shape in decoder)
    assert {d.tensor for d in found} == {*encoder_outputs(model), "logits"}
    assert all(d.relative > 0 for d in found if d.tensor == "memory")  # not compared to itself


@pytest.mark.slow
def test_a_t5_decoder_equals_the_model(tmp_path: Path) -> None:
    model = talkative_model(family="t5")
    export_onnx(model, small_preprocess(), tmp_path, opset=20)
    check_tensors(model, small_preprocess(), tmp_path, tolerance=1e-5, report=silent)


def test_crops_of_another_size_and_another_opset_export_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    vit = VisionTransformer(
        image_size=48, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_registers=2,
        interpolate="antialias",
    )  # fmt: skip
    encoder = MultiStreamEncoder(
        backbones={"face": vit}, frozen=frozenset({"face"}), pose_dim=4 * 3,
        projector_dim=16, d_model=24,
        temporal=TemporalTransformer(width=24, layers=1, heads=2, dropout=0.1),
    )  # fmt: skip
    decoder = talkative_model().decoder
    model = SltModel(mska=None, mapper=None, encoder=encoder, decoder=decoder).eval()
    spec = replace(small_preprocess(num_glosses=0), streams=("pose", "face"), image_size=32)
    export_onnx(model, spec, tmp_path, opset=18)
    assert capfd.readouterr() == ("", "")
    found = check_tensors(model, spec, tmp_path, tolerance=1e-5, report=silent)
    assert {d.tensor for d in found} == {"memory", "memory_valid", "logits"}
    assert vit.grid == 6  # the model itself is left as it was
    opsets = {entry.domain: entry.version for entry in onnx.load(tmp_path / ENCODER).opset_import}
    assert opsets[""] == 18


@pytest.mark.parametrize(
    ("graph", "tensor"), [("encoder", "memory|gloss_scores"), ("decoder", "logits")]
)
def test_one_changed_weight_is_noticed(
    bundle: Path, tmp_path: Path, model: SltModel, graph: str, tensor: str
) -> None:
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    change_a_weight(broken / f"{graph}.onnx")
    with pytest.raises(VerificationError, match=rf"most in ({tensor}) at B=\d") as raised:
        check_tensors(model, small_preprocess(), broken, tolerance=1e-4, report=silent)
    assert raised.value.exit_code == 7


def test_a_graph_with_a_fixed_axis_is_noticed(
    bundle: Path, tmp_path: Path, model: SltModel
) -> None:
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    graph = onnx.load(broken / "encoder.onnx")
    for value in graph.graph.input:
        value.type.tensor_type.shape.dim[1].dim_value = TRACED_FRAMES
    onnx.save(graph, broken / "encoder.onnx")
    with pytest.raises(VerificationError, match="fails at B=1 T=1"):
        check_tensors(model, small_preprocess(), broken, tolerance=1e-4, report=silent)


def test_random_clips_have_padding_gaps_and_a_missing_stream() -> None:
    batch = random_batch(small_preprocess(), np.random.default_rng(0), clips=3, frames=9)
    lengths = batch.frame_valid.sum(1).tolist()
    assert lengths[0] == 9
    assert len(set(lengths)) == 3
    body = batch.valid["keypoints_body"]
    assert not body[-1].any()
    assert 0 < body[0].float().mean() < 1
    assert not any(mask[~batch.frame_valid].any() for mask in batch.valid.values())


def change_a_weight(path: Path) -> None:
    """Turn the sign of the largest weight matrix of the graph."""
    graph = onnx.load(path)
    weight = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    changed = -numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(graph, path)
