from __future__ import annotations

import math
import re

import pytest
import torch

from slt_cli.models.translator import SltModel, gloss_scores
from tests.models.small import random_inputs, small_model

SEARCH = {"beams": 1, "length_penalty": 1.0, "max_length": 8}
KINDS = [
    {},
    {"family": "t5"},
    {"probabilities": True},
    {"pose": True},
    {"pose": True, "fusion": "concat"},
    {"pose": True, "fusion": "none"},
    {"pose": True, "keypoints": False},
    {"num_glosses": 0},
]


def one(inputs: tuple, row: int, length: int) -> tuple:
    streams, valid, frame_valid = inputs
    return (
        {n: t[row : row + 1, :length] for n, t in streams.items()},
        {n: t[row : row + 1, :length] for n, t in valid.items()},
        frame_valid[row : row + 1, :length],
    )


def in_double(inputs: tuple) -> tuple:
    streams, valid, frame_valid = inputs
    return {n: t.double() for n, t in streams.items()}, valid, frame_valid


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_alone_equals_the_clip_in_a_padded_batch(kind: dict) -> None:
    model = small_model(**kind).double().eval()
    lengths = [7, 12, 3]
    inputs = in_double(random_inputs(lengths))
    for name, tensor in inputs[0].items():
        assert name in inputs[1]
        tensor[~inputs[2]] = math.nan  # whatever stands in the padding
    labels = torch.tensor([[5, 6, 2]] * 3)
    together = model(*inputs, labels)
    for row, length in enumerate(lengths):
        alone = model(*one(inputs, row, length), labels[row : row + 1])
        torch.testing.assert_close(
            alone.text_logits[0], together.text_logits[row], rtol=1e-10, atol=1e-10
        )
        if together.glosses is not None:
            seen = together.glosses.valid[row]
            torch.testing.assert_close(
                gloss_scores(alone.glosses)[0], gloss_scores(together.glosses)[row][seen],
                rtol=1e-10, atol=1e-10,
            )  # fmt: skip


def test_garbage_in_masked_joints_changes_nothing() -> None:
    model = small_model(pose=True).eval()
    streams, valid, frame_valid = random_inputs([6, 9])
    labels = torch.tensor([[5, 2], [7, 2]])
    clean = model(streams, valid, frame_valid, labels).text_logits
    dirty = {
        n: torch.where(valid[n][..., None], t, torch.full_like(t, 1e6)) for n, t in streams.items()
    }
    torch.testing.assert_close(model(dirty, valid, frame_valid, labels).text_logits, clean)


def test_a_clip_without_any_visible_joint_stays_finite() -> None:
    model = small_model(pose=True).eval()
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


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_receives_a_gradient(kind: dict) -> None:
    model = small_model(**kind).train()
    output = model(*random_inputs([9, 5]), torch.tensor([[5, 6, 2], [8, 2, 0]]))
    loss = output.text_logits.square().mean()
    if output.glosses is not None:
        loss = loss + sum(x.log_softmax(-1)[..., 0].mean() for x in output.glosses.logits.values())
    loss.backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # A constant added to every key leaves a softmax unchanged, and one before a norm that norm.
    cancelled = re.compile(r"k_proj\.bias$|stacks\..*(linear|conv)\.bias$|heads\..*fc.*\.bias$")
    assert not [n for n in silent if not cancelled.search(n)]


def test_mapped_keypoints_meet_the_frames_they_come_from() -> None:
    model = small_model(pose=True).eval()
    inputs = random_inputs([9])
    both = model.encode(*inputs)
    assert both.features.shape[1] == 9
    mapped = model._mapped(model.mska(*parts(inputs)))
    alone = model.encoder(*inputs)
    torch.testing.assert_close(both.features - alone, mapped[:, torch.arange(9) // 4])


def parts(inputs: tuple) -> tuple:
    streams, valid, frame_valid = inputs
    cut = len("keypoints_")
    return (
        {n[cut:]: t for n, t in streams.items() if n.startswith("keypoints_")},
        {n[cut:]: t for n, t in valid.items() if n.startswith("keypoints_")},
        frame_valid,
    )


def test_a_model_without_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="keypoints, crops or pose"):
        SltModel(mska=None, mapper=None, encoder=None, decoder=small_model().decoder)


def test_teacher_forced_logits_equal_stepwise_decoding() -> None:
    model = small_model().eval()
    encoding = model.encode(*random_inputs([6]))
    labels = torch.tensor([[9, 4, 7, 2]])
    forced = model.decoder(encoding.features, encoding.valid, labels)
    memory = model.decoder.encode(encoding.features, encoding.valid)
    for length in range(1, 5):
        tokens = torch.cat([torch.tensor([[1]]), labels[:, : length - 1]], 1)
        step = model.decoder.decode(tokens, memory)[:, -1]
        torch.testing.assert_close(step, forced[:, length - 1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_does_not_depend_on_the_batch(beams: int) -> None:
    model = small_model(seed=3).eval()
    lengths = [6, 11, 4]
    inputs = random_inputs(lengths, seed=1)
    search = {**SEARCH, "beams": beams}
    encoding = model.encode(*inputs)
    together = model.decoder.generate(encoding.features, encoding.valid, **search)
    for row, length in enumerate(lengths):
        lone = model.encode(*one(inputs, row, length))
        alone = model.decoder.generate(lone.features, lone.valid, **search)[0].tolist()
        assert alone == together[row].tolist()[: len(alone)]


def test_without_labels_the_text_decoder_is_not_run() -> None:
    model = small_model().train()
    output = model(*random_inputs([9, 5]), None)
    assert output.text_logits is None
    sum(x.square().mean() for x in output.glosses.logits.values()).backward()
    assert all(p.grad is None for p in (*model.decoder.parameters(), *model.mapper.parameters()))


LABELS = torch.tensor([[5, 6, 7, 2], [8, 2, -100, -100]])


def words_read(model: SltModel, ratio: float, seed: int = 0) -> list[torch.Tensor]:
    """The token ids of every pass of the decoder."""
    read: list[torch.Tensor] = []
    decode = model.decoder.decode

    def noted(tokens: torch.Tensor, memory: object) -> torch.Tensor:
        read.append(tokens)
        return decode(tokens, memory)

    model.decoder.decode = noted
    torch.manual_seed(seed)
    model(*random_inputs([9, 5]), LABELS, teacher_forcing=ratio)
    del model.decoder.decode
    return read


def test_with_teacher_forcing_the_decoder_reads_the_reference_in_one_pass() -> None:
    (read,) = words_read(small_model().eval(), 1.0)
    assert read.tolist() == [[1, 5, 6, 7], [1, 8, 2, 0]]


def test_at_ratio_zero_every_word_is_the_prediction_of_the_first_pass() -> None:
    model = small_model().eval()
    predicted = model(*random_inputs([9, 5]), LABELS).text_logits.argmax(-1)
    first, second = words_read(model, 0.0)
    assert first.tolist() == [[1, 5, 6, 7], [1, 8, 2, 0]]
    assert second[0].tolist() == [1, *predicted[0, :3].tolist()]
    assert second[1].tolist() == [1, *predicted[1, :2].tolist(), 0]  # padding stays


def test_words_are_replaced_at_the_ratio_and_repeatably() -> None:
    model = small_model().eval()
    predicted = model(*random_inputs([9, 5]), LABELS).text_logits.argmax(-1)
    assert predicted[0, 0] != 5  # or the counting below sees nothing
    kept = [int(words_read(model, 0.7, seed)[1][0, 1] == 5) for seed in range(200)]
    assert 0.7 - 0.11 < sum(kept) / 200 < 0.7 + 0.11  # 3.4 standard deviations
    assert torch.equal(words_read(model, 0.5, 3)[1], words_read(model, 0.5, 3)[1])


def test_scheduled_sampling_learns_from_its_second_pass() -> None:
    model = small_model().train()
    logits = model(*random_inputs([9, 5]), LABELS, teacher_forcing=0.3).text_logits
    assert logits.shape == (2, 4, 40)
    logits.square().mean().backward()
    assert all(p.grad is not None for p in model.decoder.parameters())


def trained_once(kind: dict, *, recompute: bool) -> SltModel:
    model = small_model(**kind).train()
    if recompute:
        model.recompute_activations()
    torch.manual_seed(5)
    output = model(*random_inputs([9, 5]), torch.tensor([[5, 6, 2], [8, 2, 0]]))
    loss = output.text_logits.log_softmax(-1)[..., 1].mean()
    if output.glosses is not None:
        loss = loss + sum(x.log_softmax(-1)[..., 0].mean() for x in output.glosses.logits.values())
    loss.backward()
    return model


@pytest.mark.parametrize("kind", [{}, {"pose": True, "family": "t5"}])
def test_recomputed_activations_give_the_same_gradients_and_statistics(kind: dict) -> None:
    kept, recomputed = (trained_once(kind, recompute=on) for on in (False, True))
    assert recomputed.state_dict().keys() == kept.state_dict().keys()
    for (name, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=0, atol=0, msg=name)
    for (name, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(one, other), name


def test_recomputing_keeps_less() -> None:
    def kept_bytes(recompute: bool) -> int:
        model = small_model(pose=True).train()
        if recompute:
            model.recompute_activations()
        found: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = model(*random_inputs([60, 60]), LABELS)
        del output
        return sum(found.values())

    assert kept_bytes(True) < 0.5 * kept_bytes(False)


def test_a_compiled_model_keeps_its_names() -> None:
    model = small_model()
    names = list(model.state_dict())
    model.compile(backend="eager")
    assert list(model.state_dict()) == names


@pytest.mark.slow
def test_a_compiled_model_learns_what_the_plain_one_does() -> None:
    models = [small_model().train() for _ in range(2)]
    models[1].recompute_activations()
    models[1].compile(backend="eager")
    for model in models:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.decoder.eval()
        output = model(*random_inputs([9, 5]), torch.tensor([[5, 6, 2], [8, 2, 0]]))
        output.text_logits.square().mean().backward()
    for (name, one), other in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4, msg=name)
