"""Parameters, bytes and operations that are counted are those of the real model."""

from __future__ import annotations

import pytest
import torch

from slt_cli.builders import build_tokenizer
from slt_cli.builders.estimate import (
    BatchSize,
    Part,
    build_imagined,
    checkpoint_bytes,
    fitted,
    imagined,
    parts_of,
    state_bytes,
    step_work,
)
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.settings.load import load_settings
from slt_cli.settings.root import Settings
from tests.builders.made_up import POINTS, inputs_of, made_up_batch, made_up_model
from tests.data.sentences import TEXTS

SIZE = BatchSize(clips=2, frames=24, tokens=6)


def small(*assignments: str) -> Settings:
    return load_settings(preset="tiny-cpu", assignments=assignments).settings


@pytest.fixture(scope="module")
def words() -> TextTokenizer:
    return build_tokenizer(small().model, None, TEXTS)


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["model.streams=keypoints,pose", "model.mska_gloss_fusion=concat"],
        ["model.decoder_model=t5", "model.decoder_prompt_length=3"],
        ["training.task=sign2gloss"],
    ],
)
def test_an_imagined_model_has_the_parts_of_the_real_one(words, assignments) -> None:
    settings = small(*assignments)
    model, shape = made_up_model(settings, words)
    with imagined():
        parts = parts_of(build_imagined(settings, shape, words))
    assert parts == parts_of(model)
    assert sum(p.trained + p.frozen for p in parts) == sum(p.numel() for p in model.parameters())


def test_frozen_parameters_are_told_apart(words) -> None:
    model, _ = made_up_model(small("training.task=sign2gloss"), words)
    by_name = {part.name: part for part in parts_of(model)}
    assert by_name["decoder"].trained == 0
    assert by_name["decoder"].frozen > 0
    assert by_name["mska"].frozen == 0


@pytest.mark.parametrize(("optimizer", "moments"), [("adamw", 2), ("adam", 2), ("sgd", 1)])
def test_bytes_of_a_training_state(optimizer: str, moments: int) -> None:
    parts = [Part("mska", 100, 0), Part("face backbone", 0, 1000)]
    assert state_bytes(parts, optimizer) == 4 * (100 * (2 + moments) + 1000)
    assert checkpoint_bytes(parts, optimizer) == 4 * (100 * (1 + moments) + 1000)


def test_operations_and_kept_bytes_are_those_of_a_real_pass(words) -> None:
    settings = small("model.mska_dropout=0", "model.decoder_dropout=0")
    model, shape = made_up_model(settings, words)
    batch = made_up_batch(
        inputs_of(settings, shape, words), words, clips=SIZE.clips, frames=SIZE.frames
    )
    batch.frame_valid[0, -5:] = False  # padding, as is imagined
    own = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.Tensor] = {}
    from torch.utils.flop_counter import FlopCounterMode

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        return kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    model.train()
    with FlopCounterMode(display=False) as counter, hooks:
        output = model(batch.streams, batch.valid, batch.frame_valid, batch.labels)
    real = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own)
    assert output.text_logits is not None
    with imagined():
        work = step_work(build_imagined(settings, shape, words), settings, POINTS, SIZE)
    assert work.operations == pytest.approx(3 * counter.get_total_flops(), rel=0.02)
    assert work.activation_bytes == pytest.approx(real, rel=0.15)


def test_twice_the_clips_are_twice_the_work(words) -> None:
    settings = small()
    _, shape = made_up_model(settings, words)
    works = []
    for clips in (2, 4):
        with imagined():
            model = build_imagined(settings, shape, words)
            works.append(step_work(model, settings, POINTS, BatchSize(clips, 24, 6)))
    assert works[1].operations == pytest.approx(2 * works[0].operations, rel=0.02)
    assert works[1].activation_bytes == pytest.approx(2 * works[0].activation_bytes, rel=0.1)


def test_a_line_through_costs() -> None:
    line = fitted([(10, 1.2), (20, 2.2), (30, 3.2)])
    assert line(40) == pytest.approx(4.2)
    assert fitted([(10, 2.0)])(5) == pytest.approx(1.0)
    falling = fitted([(10, 2.0), (30, 1.0)])
    assert falling(40) == pytest.approx(3.0)
    steep = fitted([(10, 0.5), (20, 2.0)])  # would start below zero
    assert steep(30) == pytest.approx(2.5)
