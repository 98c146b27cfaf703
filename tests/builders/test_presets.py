from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from slt_cli.builders import build_tokenizer
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import UsageError
from slt_cli.export.onnx import export_onnx
from slt_cli.export.parity import check_tensors
from slt_cli.models.mska.block import NormedLinear, NormedTemporalConv
from slt_cli.models.mska.head import GlossHead
from slt_cli.models.translator import SltModel
from slt_cli.pipelines.result import silent
from slt_cli.settings.load import load_settings
from slt_cli.settings.preset_files import list_presets
from slt_cli.settings.root import Settings
from slt_cli.training.loop import compute_losses
from slt_cli.training.optim import build_adamw
from tests.builders.made_up import inputs_of, loop_config, made_up_batch, made_up_model
from tests.data.sentences import TEXTS

FULL_SIZE = {"mska-paper-mbart", "mska-paper-t5", "multistream-base", "signmusketeers"}
PRESETS = [preset.name for preset in list_presets("train")]
TOLERANCE = 1e-3  # rounding grows in twelve layers of random weights; a wrong graph is far off
MSKA = ("mska-paper-mbart", "mska-paper-t5")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def settings(preset: str, **flags: Any) -> Settings:
    return load_settings(preset=preset, flags=flags).settings


def words(asked: Settings) -> TextTokenizer:
    return build_tokenizer(asked.model, None, TEXTS)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def without_gradient(model: nn.Module) -> set[str]:
    """Biases whose gradient is zero by nature.

    A batch norm takes away what the map before it adds to all frames alike, and the softmax of an
    attention what a bias of the keys adds to all scores of a query.
    """
    biases = set()
    for name, module in model.named_modules():
        if isinstance(module, NormedLinear):
            biases.add(f"{name}.linear.bias")
        elif isinstance(module, NormedTemporalConv):
            biases.add(f"{name}.conv.bias")
        elif isinstance(module, GlossHead):
            biases.add(f"{name}.embed.bias")
        elif name.endswith("k_proj"):
            biases.add(f"{name}.bias")
    return biases


@pytest.mark.parametrize("preset", sorted({*PRESETS} - FULL_SIZE))
def test_a_step_reaches_every_parameter(preset: str) -> None:
    asked = settings(preset)
    tokenizer = words(asked)
    model, shape = made_up_model(asked, tokenizer)
    inputs = inputs_of(asked, shape, tokenizer)
    take_a_step(model, asked, made_up_batch(inputs, tokenizer, clips=1, frames=8))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # tracing a large graph takes minutes on a busy core
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_a_step_and_exports(preset: str, tmp_path: Path) -> None:
    asked = settings(preset)
    tokenizer = words(asked)
    model, shape = made_up_model(asked, tokenizer)
    inputs = inputs_of(asked, shape, tokenizer)
    take_a_step(model, asked, made_up_batch(inputs, tokenizer, clips=1, frames=8))
    short = replace(inputs, sequence_length=8, max_length=9)  # the longest shape that is checked
    export_onnx(model, short, tmp_path, opset=asked.export.opset)
    found = check_tensors(model, short, tmp_path, tolerance=TOLERANCE, report=silent)
    assert {d.tensor for d in found} >= {"memory", "gloss_scores", "logits"}
    assert any(d.shape.startswith("B=2") for d in found)


def take_a_step(model: SltModel, asked: Settings, batch: Any) -> None:
    """One update. Gradients and the optimiser's memory are gone afterwards: exports take some."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    before = {name: length(p) for name, p in trained.items()}
    optimizer = build_adamw(model, lr=asked.optim.lr, weight_decay=asked.optim.weight_decay)
    losses = compute_losses(model.train(), batch, loop_config(asked))
    assert losses.keys() >= {"translation", "ctc", "loss"}
    assert all(value.isfinite() for value in losses.values())
    losses["loss"].backward()
    excused = without_gradient(model)
    unreached = [n for n, p in trained.items() if n not in excused and not reached(p)]
    assert unreached == []
    assert all(p.grad.isfinite().all() for p in trained.values())
    optimizer.step()
    unmoved = [n for n, p in trained.items() if n not in excused and length(p) == before[n]]
    assert unmoved == []
    model.zero_grad()
    model.eval()


def length(parameter: nn.Parameter) -> float:
    """The norm, whose change tells a change, without a copy of a large model."""
    return torch.linalg.vector_norm(parameter.detach(), dtype=torch.float64).item()


def reached(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def test_full_size_presets_are_there() -> None:
    assert {*PRESETS} >= FULL_SIZE


@pytest.mark.parametrize("preset", MSKA)
def test_the_keypoint_network_has_the_size_of_the_published_one(preset: str) -> None:
    mska = full_size(settings(preset), num_glosses=1084).mska
    assert count(mska.stacks) == 15_544_336
    heads = {name: count(head) for name, head in mska.heads.items()}
    assert heads == {"fuse": 7_378_493, "body": 6_985_277, "left": 7_116_349, "right": 7_116_349}


def test_the_backbones_of_signmusketeers_have_the_size_of_the_published_ones() -> None:
    encoder = full_size(settings("signmusketeers")).encoder
    backbones = {part: count(vit) for part, vit in encoder.backbones.items()}
    assert backbones == dict.fromkeys(("face", "hand_left", "hand_right"), 22_058_112)
    shapes = {name: tuple(p.linear.weight.shape) for name, p in encoder.projectors.items()}
    assert shapes == {**dict.fromkeys(backbones, (256, 384)), "pose": (128, 14)}
    assert tuple(encoder.fusion.linear.weight.shape) == (768, 896)
    assert encoder.temporal is None
    assert encoder.frozen == set(backbones)


@pytest.mark.parametrize(
    ("preset", "vocabulary", "tables", "published"),
    [
        ("mska-paper-mbart", 250_027, 1, 610_851_840),  # facebook/mbart-large-cc25
        ("mska-paper-t5", 32_128, 2, 247_577_856),  # google/t5-v1_1-base
        ("signmusketeers", 32_128, 2, 247_577_856),
    ],
)
def test_text_decoders_have_the_size_of_the_published_ones(
    preset: str, vocabulary: int, tables: int, published: int
) -> None:
    """But for the vocabulary: so many `tables` of it, each with one vector for every word."""
    decoder = full_size(settings(preset)).decoder
    missing = (vocabulary - decoder.vocab_size) * decoder.width * tables
    assert count(decoder) + missing == published


@pytest.mark.parametrize(
    ("decoder", "width", "layers"),
    [("mbart", 1024, 2), ("mbart-large", 1024, 12), ("t5", 1024, 2), ("t5-base", 768, 12)],
)
@pytest.mark.parametrize("preset", MSKA)
def test_the_paper_s_network_takes_every_text_decoder(
    preset: str, decoder: str, width: int, layers: int
) -> None:
    flags = {"model.decoder_model": decoder, "model.d_model": width}
    model = full_size(settings(preset, **flags))
    assert model.decoder.width == model.mapper.out.out_features == width
    assert model.mapper.out.in_features == width  # the hidden layer follows
    config = model.decoder.model.config
    assert (config.num_decoder_layers if "t5" in decoder else config.decoder_layers) == layers
    assert isinstance(model.mapper.activation, nn.ReLU)


@pytest.mark.parametrize(
    ("preset", "decoder", "needed", "given"),
    [("mska-paper-mbart", "t5-base", 768, 1024), ("mska-paper-t5", "mbart-large", 1024, 768)],
)
def test_a_decoder_of_another_width_names_the_flag(
    preset: str, decoder: str, needed: int, given: int
) -> None:
    message = f"the decoder is {needed} wide, the encoder {given}"
    with pytest.raises(UsageError, match=message) as caught:
        full_size(settings(preset, **{"model.decoder_model": decoder}))
    assert caught.value.where == "model.d_model"
    assert f"--d-model {needed}" in str(caught.value.hint)


def full_size(asked: Settings, num_glosses: int = 6) -> SltModel:
    """The model without its weights: shapes alone."""
    with torch.device("meta"):
        return made_up_model(asked, words(asked), num_glosses=num_glosses)[0]
