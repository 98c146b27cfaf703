from __future__ import annotations

import pytest
import torch

from tests.models.small import random_inputs, small_model

SEARCH = {"beams": 1, "length_penalty": 1.0, "max_length": 8}


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_a_clip_alone_equals_the_clip_in_a_padded_batch(family: str) -> None:
    model = small_model(family=family).double().eval()
    streams, valid, frame_valid = random_inputs([7, 12, 3])
    streams = {name: tensor.double() for name, tensor in streams.items()}
    labels = torch.tensor([[5, 6, 2]] * 3)
    together = model(streams, valid, frame_valid, labels)
    for row, length in enumerate([7, 12, 3]):
        alone = model(
            {n: t[row : row + 1, :length] for n, t in streams.items()},
            {n: t[row : row + 1, :length] for n, t in valid.items()},
            frame_valid[row : row + 1, :length],
            labels[row : row + 1],
        )
        torch.testing.assert_close(
            alone.text_logits[0], together.text_logits[row], rtol=1e-10, atol=1e-10
        )
        torch.testing.assert_close(
            alone.gloss_logits[0], together.gloss_logits[row, :length], rtol=1e-10, atol=1e-10
        )


def test_garbage_in_masked_joints_changes_nothing() -> None:
    model = small_model().eval()
    streams, valid, frame_valid = random_inputs([6, 9])
    labels = torch.tensor([[5, 2], [7, 2]])
    clean = model(streams, valid, frame_valid, labels).text_logits
    dirty = {
        n: torch.where(valid[n][..., None], t, torch.full_like(t, 1e6)) for n, t in streams.items()
    }
    torch.testing.assert_close(model(dirty, valid, frame_valid, labels).text_logits, clean)


def test_a_clip_without_any_visible_joint_stays_finite() -> None:
    model = small_model().eval()
    streams, valid, frame_valid = random_inputs([5])
    hidden = {name: torch.zeros_like(mask) for name, mask in valid.items()}
    output = model(streams, hidden, frame_valid, torch.tensor([[4, 2]]))
    assert torch.isfinite(output.text_logits).all()


def test_permuting_the_batch_permutes_the_outputs() -> None:
    model = small_model().eval()
    streams, valid, frame_valid = random_inputs([4, 8, 6])
    order = torch.tensor([2, 0, 1])
    features = model.encode(streams, valid, frame_valid).features
    permuted = model.encode(
        {n: t[order] for n, t in streams.items()},
        {n: t[order] for n, t in valid.items()},
        frame_valid[order],
    ).features
    torch.testing.assert_close(permuted, features[order])


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_every_parameter_receives_a_gradient(family: str) -> None:
    model = small_model(family=family).train()
    output = model(*random_inputs([7, 5]), torch.tensor([[5, 6, 2], [8, 2, 0]]))
    (output.text_logits.square().mean() + output.gloss_logits.square().mean()).backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # Keys have no bias gradient: a constant added to every key leaves a softmax unchanged.
    assert not [n for n in silent if not n.endswith("k_proj.bias")]


def test_teacher_forced_logits_equal_stepwise_decoding() -> None:
    model = small_model().eval()
    streams, valid, frame_valid = random_inputs([6])
    features = model.encode(streams, valid, frame_valid).features
    labels = torch.tensor([[9, 4, 7, 2]])
    forced = model.decoder(features, frame_valid, labels)
    memory = model.decoder.encode(features, frame_valid)
    for length in range(1, 5):
        tokens = torch.cat([torch.tensor([[1]]), labels[:, : length - 1]], 1)
        step = model.decoder.decode(tokens, memory, frame_valid)[:, -1]
        torch.testing.assert_close(step, forced[:, length - 1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_does_not_depend_on_the_batch(beams: int) -> None:
    model = small_model(seed=3).eval()
    streams, valid, frame_valid = random_inputs([6, 11, 4], seed=1)
    search = {**SEARCH, "beams": beams}
    together = model.decoder.generate(
        model.encode(streams, valid, frame_valid).features, frame_valid, **search
    )
    for row, length in enumerate([6, 11, 4]):
        mask = frame_valid[row : row + 1, :length]
        features = model.encode(
            {n: t[row : row + 1, :length] for n, t in streams.items()},
            {n: t[row : row + 1, :length] for n, t in valid.items()},
            mask,
        ).features
        alone = model.decoder.generate(features, mask, **search)[0].tolist()
        assert alone == together[row].tolist()[: len(alone)]
