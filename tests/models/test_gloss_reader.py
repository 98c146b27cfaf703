from __future__ import annotations

import torch

from slt_cli.models.decoder import TextSeq2SeqDecoder, build_seq2seq
from slt_cli.models.gloss_reader import GlossReader
from slt_cli.models.translator import SltModel

WIDTH = 24


def gloss_model() -> SltModel:
    torch.manual_seed(0)
    decoder = build_seq2seq(
        family="mbart", vocab_size=40, d_model=WIDTH, layers=1, heads=2, dropout=0.1, max_source=64,
        max_target=32, pad_id=0, bos_id=1, eos_id=2,
    )  # fmt: skip
    return SltModel(
        mska=None, mapper=None, encoder=None, decoder=TextSeq2SeqDecoder(decoder), num_classes=7,
        gloss_reader=GlossReader(num_classes=7, width=WIDTH),
    )  # fmt: skip


def forward(model: SltModel, glosses: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    frames = torch.zeros(len(glosses), 1, dtype=torch.bool)
    return model({}, {}, frames, labels, glosses).text_logits


def test_equal_glosses_have_equal_features_and_padding_has_none() -> None:
    features, valid = GlossReader(num_classes=5, width=8)(torch.tensor([[3, 1, 3], [2, 0, 0]]))
    assert features.shape == (2, 3, 8)
    assert torch.equal(features[0, 0], features[0, 2])
    assert not torch.equal(features[0, 0], features[0, 1])
    assert not features[1, 1:].any()
    assert valid.tolist() == [[True, True, True], [True, False, False]]


def test_a_clip_without_glosses_stays_finite() -> None:
    model = gloss_model().train()
    logits = forward(model, torch.tensor([[0, 0], [4, 5]]), torch.tensor([[5, 2], [6, 2]]))
    logits.square().mean().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_glosses_are_read_alike_alone_and_in_a_padded_batch() -> None:
    model = gloss_model().eval()
    labels = torch.tensor([[5, 6, 2], [5, 6, 2]])
    together = forward(model, torch.tensor([[3, 0, 0, 0], [1, 2, 4, 4]]), labels)
    alone = forward(model, torch.tensor([[3]]), labels[:1])
    torch.testing.assert_close(alone[0], together[0], rtol=1e-5, atol=1e-5)


def test_order_matters() -> None:
    model = gloss_model().eval()
    labels = torch.tensor([[5, 6, 2]])
    one = forward(model, torch.tensor([[1, 2]]), labels)
    other = forward(model, torch.tensor([[2, 1]]), labels)
    assert not torch.allclose(one, other)


def test_every_parameter_is_trained_and_the_model_has_no_other_part() -> None:
    model = gloss_model().train()
    forward(model, torch.tensor([[1, 2, 3]]), torch.tensor([[5, 6, 2]])).square().mean().backward()
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {
        "gloss_reader", "decoder",
    }  # fmt: skip
    assert not [name for name, p in model.named_parameters() if p.grad is None]
    assert model.gloss_head is None
