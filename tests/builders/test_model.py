from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from slt_cli.builders import (
    ModelShape,
    build_model,
    build_tokenizer,
    feature_length,
    start_gloss_embedding,
)
from slt_cli.builders.model import gloss_length
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import UsageError
from slt_cli.losses.translation import published_translation_loss
from slt_cli.models.mapper import GlossEmbedding, GlossMLP
from slt_cli.models.translator import SltModel
from slt_cli.models.vit import VisionTransformer
from slt_cli.settings.load import load_settings
from slt_cli.settings.root import Settings
from slt_cli.training.loop import compute_losses
from tests.builders.made_up import inputs_of, loop_config, made_up_batch
from tests.data.sentences import TEXTS

POINTS = {"body": 5, "face": 3, "hand_left": 4, "hand_right": 4}
VIT = {"image_size": 32, "patch_size": 16, "embed_dim": 16, "depth": 1, "num_heads": 2}
SMALL = {
    "sequence_length": 16, "image_size": 32, "d_model": 24, "projector_dim": 16, "vocab_size": 80,
    "pose_landmarks": 4, "mska_width": 16, "mska_temporal_blocks": 2, "mska_stream_heads": 2,
    "temporal_layers": 1, "temporal_heads": 2, "decoder_layers": 1, "decoder_heads": 2,
}  # fmt: skip
FUSED = ["keypoints", "pose"]


def settings(**model: Any) -> Settings:
    flags = {f"model.{name}": value for name, value in {**SMALL, **model}.items()}
    return load_settings(flags=flags).settings


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return build_tokenizer(settings().model, None, TEXTS)


@pytest.fixture(autouse=True)
def _same_start() -> None:
    torch.manual_seed(0)


def shape_for(asked: Settings, num_glosses: int = 6) -> ModelShape:
    streams = asked.model.streams
    crops = [part for part in ("face", "hand_left", "hand_right") if part in streams]
    return ModelShape(
        num_glosses, dict(POINTS) if "keypoints" in streams else {},
        3 * asked.model.pose_landmarks if "pose" in streams else 0, dict.fromkeys(crops, VIT),
    )  # fmt: skip


def build(tokenizer: TextTokenizer, *, glosses: int = 6, **model: Any) -> SltModel:
    asked = settings(**model)
    return build_model(asked, shape_for(asked, glosses), tokenizer)


def class_counts(model: SltModel) -> dict[str, int]:
    return {name: head.classify.out_features for name, head in model.mska.heads.items()}


def trained_step(model: SltModel, asked: Settings, tokenizer: TextTokenizer) -> dict[str, Tensor]:
    """Losses of a random batch, and their gradients in the model."""
    inputs = inputs_of(asked, shape_for(asked, max(model.num_classes - 1, 0)), tokenizer)
    batch = made_up_batch(inputs, tokenizer, clips=2, frames=12)
    terms = compute_losses(model, batch, loop_config(asked))
    terms["loss"].backward()
    return terms


def encoded(model: SltModel, asked: Settings, tokenizer: TextTokenizer) -> list[Tensor]:
    """Everything the model says about a random batch, in evaluation."""
    inputs = inputs_of(asked, shape_for(asked), tokenizer)
    batch = made_up_batch(inputs, tokenizer, clips=2, frames=12)
    with torch.inference_mode():
        output = model.eval()(batch.streams, batch.valid, batch.frame_valid, batch.labels)
        encoding = model.encode(batch.streams, batch.valid, batch.frame_valid)
    glosses = output.glosses.logits.values() if output.glosses else []
    return [output.text_logits, encoding.features, encoding.valid, *glosses]


def test_every_head_has_a_class_for_each_gloss_and_the_blank(tokenizer: TextTokenizer) -> None:
    model = build(tokenizer)
    assert model.num_classes == 7
    assert class_counts(model) == dict.fromkeys(("left", "right", "fuse", "body"), 7)


def test_more_classes_than_glosses_may_be_asked_for(tokenizer: TextTokenizer) -> None:
    model = build(tokenizer, mska_ctc_vocab=11)
    assert model.num_classes == 11
    assert set(class_counts(model).values()) == {11}


@pytest.mark.parametrize(("classes", "fits"), [(7, True), (6, False)])
def test_fewer_classes_than_glosses_and_the_blank_are_refused(
    classes: int, fits: bool, tokenizer: TextTokenizer
) -> None:
    if fits:
        assert build(tokenizer, mska_ctc_vocab=classes).num_classes == classes
        return
    with pytest.raises(UsageError, match="6 glosses and the blank need 7 classes, not 6") as caught:
        build(tokenizer, mska_ctc_vocab=classes)
    assert caught.value.where == "model.mska_ctc_vocab"
    assert "--mska-ctc-vocab 7" in str(caught.value.hint)


def test_without_glosses_there_are_no_classes_whatever_was_asked_for(
    tokenizer: TextTokenizer,
) -> None:
    asked = settings(mska_ctc_vocab=11)
    model = build_model(asked, shape_for(asked, 0), tokenizer)
    assert model.num_classes == 0
    assert {name: head.classify for name, head in model.mska.heads.items()} == {"fuse": None}
    terms = trained_step(model, asked, tokenizer)
    assert set(terms) == {"translation", "token", "loss"}
    assert all(p.grad is not None for p in model.parameters())


def test_probabilities_cannot_be_mapped_without_glosses(tokenizer: TextTokenizer) -> None:
    with pytest.raises(UsageError, match="no gloss probabilities") as caught:
        build(tokenizer, glosses=0, mska_gloss_mapper="probabilities")
    assert caught.value.where == "model.mska_gloss_mapper"


def test_keypoints_that_nothing_trains_are_refused(tokenizer: TextTokenizer) -> None:
    with pytest.raises(UsageError, match="nothing trains the keypoints") as caught:
        build(tokenizer, glosses=0, streams=FUSED, mska_gloss_fusion="none")
    assert caught.value.where == "model.mska_gloss_fusion"


def test_keypoints_may_be_left_to_ctc_where_there_are_glosses(tokenizer: TextTokenizer) -> None:
    model = build(tokenizer, streams=FUSED, mska_gloss_fusion="none")
    assert model.mapper is None
    assert model.mska is not None


def test_keypoints_alone_are_always_read(tokenizer: TextTokenizer) -> None:
    assert isinstance(build(tokenizer, mska_gloss_fusion="none").mapper, GlossMLP)


def test_the_mapper_has_the_layers_that_were_asked_for(tokenizer: TextTokenizer) -> None:
    one = build(tokenizer).mapper
    assert [tuple(layer.weight.shape) for layer in (*one.hidden, one.out)] == [(24, 32), (24, 24)]
    two = build(
        tokenizer, mska_gloss_hidden_dim=20, mska_gloss_second_hidden_dim=12,
        mska_gloss_activation="gelu", mska_gloss_dropout=0.25,
    ).mapper  # fmt: skip
    widths = [tuple(layer.weight.shape) for layer in (*two.hidden, two.out)]
    assert widths == [(20, 32), (12, 20), (24, 12)]
    assert isinstance(two.activation, torch.nn.GELU)
    assert two.drop.p == 0.25


def test_probabilities_are_mapped_by_one_column_for_each_class(tokenizer: TextTokenizer) -> None:
    mapper = build(tokenizer, mska_gloss_mapper="probabilities", mska_ctc_vocab=9).mapper
    assert isinstance(mapper, GlossEmbedding)
    assert tuple(mapper.weight.shape) == (24, 9)


@pytest.mark.parametrize(
    ("streams", "parts"),
    [
        (["keypoints"], {"mska", "mapper", "decoder"}),
        (["pose"], {"encoder", "decoder", "gloss_head"}),
        (["face"], {"encoder", "decoder", "gloss_head"}),
        (["hand_left", "hand_right", "pose"], {"encoder", "decoder", "gloss_head"}),
        (["keypoints", "hand_right"], {"mska", "mapper", "encoder", "decoder"}),
    ],
)
def test_any_streams_make_a_model_that_learns(
    streams: list[str], parts: set[str], tokenizer: TextTokenizer
) -> None:
    asked = settings(streams=streams)
    model = build_model(asked, shape_for(asked), tokenizer)
    assert {name for name, _ in model.named_children()} == parts
    if model.encoder is not None:
        assert set(model.encoder.projectors) == set(streams) - {"keypoints"}
    terms = trained_step(model, asked, tokenizer)
    assert terms["loss"].isfinite()
    assert "ctc" in terms
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert not [name for name, p in trained.items() if p.grad is None]


def test_without_temporal_layers_frames_are_not_mixed(tokenizer: TextTokenizer) -> None:
    assert build(tokenizer, streams=["pose"], temporal_layers=0).encoder.temporal is None


def test_frozen_backbones_are_those_of_the_settings(tokenizer: TextTokenizer) -> None:
    streams = ["face", "hand_left", "hand_right"]
    model = build(tokenizer, streams=streams, freeze_face_backbone=True)
    trained = {
        part: {p.requires_grad for n, p in vit.named_parameters() if n != "mask_token"}
        for part, vit in model.encoder.backbones.items()
    }
    assert trained == {"face": {False}, "hand_left": {True}, "hand_right": {True}}


def test_given_backbones_bring_their_weights(tokenizer: TextTokenizer) -> None:
    asked = settings(streams=["face"])
    vit = VisionTransformer(**VIT)
    model = build_model(asked, shape_for(asked), tokenizer, backbones={"face": vit})
    assert model.encoder.backbones["face"] is vit


@pytest.mark.parametrize("shared", [True, False])
def test_the_learned_matrix_is_there_from_the_start(shared: bool, tokenizer: TextTokenizer) -> None:
    options = {"mska_use_sgr": True, "mska_sgr_shared": shared, "mska_sgr_mix": 0.25}
    asked = settings(**options)
    model = build_model(asked, shape_for(asked), tokenizer)
    found = {id(p): tuple(p.shape) for n, p in model.named_parameters() if n.endswith("sgr.matrix")}
    sizes = [5] if shared else [3, 4, 4, 5]
    assert sorted(found.values()) == [(size, size) for size in sizes]
    assert {stack.sgr.mix for stack in model.mska.stacks.values()} == {0.25}
    trained_step(model, asked, tokenizer)
    grads = [p.grad for n, p in model.named_parameters() if n.endswith("sgr.matrix")]
    assert all(grad.any() for grad in grads)


def test_reference_mode_reads_what_the_masks_hide(tokenizer: TextTokenizer) -> None:
    """The mode must reach the stacks and heads: the same weights, another result."""
    masked, reference = settings(), settings(mska_mode="reference")
    first = build_model(masked, shape_for(masked), tokenizer)
    second = build_model(reference, shape_for(reference), tokenizer)
    second.load_state_dict(first.state_dict())
    outputs = [encoded(model, masked, tokenizer)[1] for model in (first, second)]
    assert not torch.allclose(*outputs, atol=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"mska_gloss_mapper": "probabilities", "mska_heads": 2, "mska_input_dim": 2},
        {"mska_use_sgr": True, "mska_mode": "reference", "mska_gloss_second_hidden_dim": 12},
        {"streams": ["pose", "face"], "decoder_model": "t5", "decoder_encoder_layers": 1},
        {"streams": [*FUSED, "hand_left"], "mska_gloss_fusion": "concat"},
        {"decoder_prompt_length": 3, "decoder_source_code": "es_LSA", "mska_ctc_vocab": 9},
    ],
)
def test_a_model_is_rebuilt_from_its_settings_its_shape_and_its_weights(model: Any) -> None:
    asked = settings(**model)
    words = build_tokenizer(asked.model, None, TEXTS)
    first = build_model(asked, shape_for(asked), words)
    again = build_model(asked, shape_for(asked), words, decoder_config=first.decoder.config_dict())
    expected = encoded(first, asked, words)
    assert not torch.equal(expected[0], encoded(again, asked, words)[0])
    again.load_state_dict(first.state_dict())
    for left, right in zip(expected, encoded(again, asked, words), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(
    ("streams", "features", "glosses"),
    [
        (["keypoints"], [1, 1, 2, 16], [1, 1, 2, 16]),
        (["pose"], [1, 4, 5, 64], [1, 4, 5, 64]),
        (["keypoints", "pose"], [1, 4, 5, 64], [1, 1, 2, 16]),
    ],
)
def test_lengths_are_those_that_the_model_has(
    streams: list[str], features: list[int], glosses: list[int], tokenizer: TextTokenizer
) -> None:
    asked = settings(streams=streams, sequence_length=64)
    lengths = (1, 4, 5, 64)
    assert [feature_length(asked.model, n) for n in lengths] == features
    assert [gloss_length(asked.model, n) for n in lengths] == glosses
    model = build_model(asked, shape_for(asked), tokenizer).eval()
    inputs = inputs_of(asked, shape_for(asked), tokenizer)
    for n, feature, gloss in zip(lengths, features, glosses, strict=True):
        batch = made_up_batch(inputs, tokenizer, clips=1, frames=n)
        with torch.inference_mode():
            encoding = model.encode(batch.streams, batch.valid, batch.frame_valid)
        assert encoding.features.shape == (1, feature, 24)
        assert encoding.glosses.valid.shape == (1, gloss)
        assert encoding.glosses.valid.all()


def test_the_gloss_embedding_starts_from_the_words_of_the_decoder(tokenizer: TextTokenizer) -> None:
    """The column of a gloss is the mean embedding of its pieces; the blank is zero."""
    model = build(tokenizer, mska_gloss_mapper="probabilities")
    glosses = ["HAUS", "A", "B", "C", "D", "E"]
    start_gloss_embedding(model, glosses, tokenizer)
    table = model.decoder.model.get_input_embeddings().weight
    for number, gloss in enumerate(glosses, start=1):
        ids = tokenizer.encode(gloss.lower())[:-1]
        torch.testing.assert_close(model.mapper.weight[:, number], table[ids].mean(0))
    assert not model.mapper.weight[:, 0].any()


def test_the_projection_keeps_its_start(tokenizer: TextTokenizer) -> None:
    model = build(tokenizer)
    before = [p.clone() for p in model.mapper.parameters()]
    start_gloss_embedding(model, ["A"] * 6, tokenizer)
    for old, new in zip(before, model.mapper.parameters(), strict=True):
        assert torch.equal(old, new)


def test_the_reference_mode_counts_words_as_the_authors_do(tokenizer: TextTokenizer) -> None:
    asked = settings(mska_mode="reference")
    model = build_model(asked, shape_for(asked), tokenizer).eval()
    batch = made_up_batch(
        inputs_of(asked, shape_for(asked), tokenizer), tokenizer, clips=2, frames=12
    )
    config = loop_config(asked, tokenizer.pad_id)
    with torch.no_grad():
        found = compute_losses(model, batch, config)["translation"]
        logits = model(batch.streams, batch.valid, batch.frame_valid, batch.labels).text_logits
    smoothing = asked.optim.label_smoothing
    assert smoothing > 0
    want = published_translation_loss(logits, batch.labels, smoothing, pad_id=tokenizer.pad_id)
    torch.testing.assert_close(found, want)
    assert loop_config(settings(), tokenizer.pad_id).published_pad is None
