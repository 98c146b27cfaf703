"""The network against numbers that the authors' code computed: see `reference_numbers`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slt_cli.losses.ctc import gloss_ctc_loss
from slt_cli.losses.distillation import distillation_loss
from slt_cli.models.mska.encoder import HEAD_PARTS, MSKAEncoder, MSKAOutput
from slt_cli.models.mska.published import to_published
from tests.models.mska.reference import (
    PUBLISHED_POINTS,
    inputs,
    on_the_published_side_of_the_kink,
    reference_network,
)
from tests.parity import Record, check_close, check_equal, numbers

pytestmark = pytest.mark.real
FORWARD, GRADIENT = 2e-5, 1e-4
TRAIN = "MSKA train_padded (float64)"
NOISE = 1e-4  # of the published gradients, whose largest norm is 59


def recognition_losses(
    output: MSKAOutput, case: dict[str, Tensor], *, masked: bool = False
) -> dict[str, Tensor]:
    """The published loss terms under their published names."""
    labels, lengths, terms = case["gloss_labels"], case["gloss_lengths"], {}
    for name, logits in output.logits.items():
        ctc = gloss_ctc_loss(logits, output.valid, labels, lengths)
        one = distillation_loss({name: logits}, output.ensemble, output.valid, masked=masked)
        terms |= {f"recognition_loss_{name}": ctc, f"{name}_distill_loss": one}
    ctc_sum = sum(term for name, term in terms.items() if name.startswith("recognition"))
    together = distillation_loss(output.logits, output.ensemble, output.valid, masked=masked)
    total = ctc_sum + together
    return terms | {"ctc_sum": ctc_sum, "total": total, "recognition_loss": total}


def check_outputs(record: Record, case: str, output: MSKAOutput, expected: dict) -> None:
    found = {
        "gloss_feature": output.gloss_feature,
        "ensemble_last_gloss_probabilities_log": output.ensemble,
        "ensemble_last_gloss_probabilities": output.ensemble.exp(),
    }
    for name, logits in output.logits.items():
        found[f"{name}_gloss_logits"] = logits
        found[f"{name}_gloss_probabilities_log"] = logits.log_softmax(-1)
    for name, tensor in found.items():
        check_close(record, f"{case}: {name}", tensor, expected[f"out.{name}"], FORWARD)


@pytest.mark.parametrize("case", ["b1_t64", "b2_t64"])
def test_stream_features_and_their_gradient(
    real_data: Path, case: str, record_property: Record
) -> None:
    expected = numbers(real_data, f"mska_backbone_{case}.npz")
    network, what = reference_network(real_data, masked=False), f"MSKA streams {case}"
    with torch.no_grad():
        features = features_of_heads(network, expected["keypoint"])
    for head, feature in features.items():
        check_close(record_property, f"{what}: {head}", feature, expected[f"out.{head}"], FORWARD)
    keypoint = expected["keypoint"].double().requires_grad_()
    with on_the_published_side_of_the_kink(network.double(), case):
        features = features_of_heads(network, keypoint)
    (gradient,) = torch.autograd.grad(features["fuse"].sum(), keypoint)
    check_close(
        record_property, f"{what}: gradient to the keypoints (float64)", gradient,
        expected["grad_keypoint_of_fuse_sum"], GRADIENT,
    )  # fmt: skip


def features_of_heads(network: MSKAEncoder, keypoint: Tensor) -> dict[str, Tensor]:
    """What each head reads, of clips without padding."""
    lengths = torch.full((len(keypoint),), keypoint.shape[2] // 4)
    features, _ = network._streams(*inputs(keypoint, lengths))
    return {
        head: torch.cat([features[part] for part in parts], dim=-1)
        for head, parts in HEAD_PARTS.items()
    }


@pytest.mark.parametrize("case", ["equal_b2_t64", "padded_b2_t64_40", "single_t40"])
def test_heads_ensemble_and_losses(real_data: Path, case: str, record_property: Record) -> None:
    expected = numbers(real_data, f"mska_recognition_{case}.npz")
    network = reference_network(real_data, masked=False)
    with torch.no_grad():
        output = network(*inputs(expected["keypoint"], expected["output_lengths"]))
    assert torch.equal(output.valid, expected["mask"][:, 0])
    check_outputs(record_property, f"MSKA {case}", output, expected)
    for name, loss in recognition_losses(output, expected).items():
        check_close(record_property, f"MSKA {case}: {name}", loss, expected[f"out.{name}"], FORWARD)


def test_a_training_step(real_data: Path, record_property: Record) -> None:
    """In float64, so that our rounding errors are not added to those of the published run."""
    expected = numbers(real_data, "mska_recognition_train_padded.npz")
    network = reference_network(real_data, masked=False).double().train()
    with on_the_published_side_of_the_kink(network, "train_padded"):
        output = network(*inputs(expected["keypoint"].double(), expected["output_lengths"]))
    check_outputs(record_property, TRAIN, output, expected)
    losses = recognition_losses(output, expected)
    for name, loss in losses.items():
        check_close(record_property, f"{TRAIN}: {name}", loss, expected[f"out.{name}"], FORWARD)
    losses["total"].backward()
    state = to_published(network.state_dict())
    gradients = to_published({n: w.grad for n, w in network.named_parameters()})
    keys = json.loads((real_data / "reference_numbers" / "mska_grad_norm_keys.json").read_text())
    norms = torch.stack([gradients[key].norm() for key in keys])
    check_equal(
        record_property, f"{TRAIN}: names of the parameters", sorted(gradients) == keys, True
    )
    check_norms(record_property, norms, expected["grad_norm"])
    zero = {key for key, norm in zip(keys, expected["grad_norm"], strict=True) if norm < NOISE}
    for name, tensor in expected.items():
        kind, _, key = name.partition(".")
        if kind == "after":
            check_close(record_property, f"{TRAIN}: {name}", state[key], tensor, FORWARD)
        if kind == "grad" and key not in zero:
            check_close(record_property, f"{TRAIN}: {name}", gradients[key], tensor, GRADIENT)


def check_norms(record: Record, norms: Tensor, expected: Tensor) -> None:
    """Each norm within `GRADIENT` of the published one.

    A bias in front of a batch norm has no gradient; the published ones are rounding errors.
    """
    zero = expected < NOISE
    assert norms[zero].max() < NOISE
    ratio = norms[~zero] / expected[~zero]
    check_close(
        record, f"{TRAIN}: each of {len(ratio)} gradient norms", ratio,
        torch.ones_like(ratio), GRADIENT,
    )  # fmt: skip


def test_the_default_mode_says_of_a_padded_clip_what_it_says_of_it_alone(
    real_data: Path, record_property: Record
) -> None:
    together = numbers(real_data, "mska_recognition_padded_b2_t64_40.npz")
    single = numbers(real_data, "mska_recognition_single_t40.npz")
    network = reference_network(real_data, masked=True).double()
    keypoint = together["keypoint"].double()
    keypoint[1, :, 40:] = float("nan")
    with torch.no_grad():
        output = network(*inputs(keypoint, together["output_lengths"]))
        alone = network(*inputs(single["keypoint"].double(), single["output_lengths"]))
    what = "MSKA default mode, clip padded 40 to 64 with NaN, and alone"
    for name, logits in alone.logits.items():
        padded = output.logits[name][1:, :10]
        check_close(record_property, f"{what}: {name}_gloss_logits", padded, logits, 1e-10)
    padded = output.gloss_feature[1:, :10]
    check_close(record_property, f"{what}: gloss_feature", padded, alone.gloss_feature, 1e-10)
    cut = MSKAOutput(
        output.gloss_feature[1:], {n: x[1:] for n, x in output.logits.items()},
        output.ensemble[1:], output.valid[1:],
    )  # fmt: skip
    expected = recognition_losses(alone, single, masked=True)
    for name, loss in recognition_losses(cut, single, masked=True).items():
        check_close(record_property, f"{what}: {name}", loss, expected[name], 1e-10)


def test_the_default_mode_repairs_the_padding_and_nothing_else(
    real_data: Path, record_property: Record
) -> None:
    """With full confidence: in a padded batch, what the published computation says alone."""
    together = numbers(real_data, "mska_recognition_padded_b2_t64_40.npz")
    single = numbers(real_data, "mska_recognition_single_t40.npz")
    for case in (together, single):
        case["keypoint"] = case["keypoint"].double()
        case["keypoint"][:, 2] = 1
    masked, published = (
        reference_network(real_data, masked=mode).double() for mode in (True, False)
    )
    with torch.no_grad():
        output = masked(*inputs(together["keypoint"], together["output_lengths"]))
        alone = published(*inputs(single["keypoint"], single["output_lengths"]))
    for name, logits in alone.logits.items():
        check_close(
            record_property, f"MSKA default mode padded, reference mode alone: {name}_gloss_logits",
            output.logits[name][1:, :10], logits, 1e-10,
        )  # fmt: skip


@pytest.mark.parametrize("corpus", ["phoenix_2014t", "csl_daily", "phoenix_2014"])
def test_parameter_counts_at_full_width(
    real_data: Path, corpus: str, record_property: Record
) -> None:
    counts = json.loads(
        (real_data / "reference_numbers" / "mska_parameter_counts.json").read_text()
    )
    expected = counts[corpus]
    with torch.device("meta"):
        network = MSKAEncoder(num_points=PUBLISHED_POINTS, num_classes=expected.pop("classes"))
    found = {"total": size(network), "backbone": size(network.stacks)}
    for part, theirs in {"hand_left": "left", "hand_right": "right"}.items():
        found[theirs] = size(network.stacks[part])
    found |= {part: size(network.stacks[part]) for part in ("face", "body")}
    found |= {f"{name}_head": size(head) for name, head in network.heads.items()}
    for name, count in expected.items():
        check_equal(record_property, f"MSKA parameters, {corpus}: {name}", found[name], count)
    blocks = [size(block) for block in network.stacks["body"].blocks]
    assert blocks == counts["body_blocks"]


def test_parameter_counts_with_1085_classes(record_property: Record) -> None:
    """513 parameters more for each class and head."""
    with torch.device("meta"):
        one, other = (MSKAEncoder(num_points=PUBLISHED_POINTS, num_classes=k) for k in (1085, 1086))
    assert size(one.stacks) == 15_544_336
    for head, count in {
        "fuse": 7_378_493, "body": 6_985_277, "left": 7_116_349, "right": 7_116_349
    }.items():  # fmt: skip
        check_equal(
            record_property, f"MSKA parameters, 1085 classes: {head} head",
            size(one.heads[head]), count,
        )  # fmt: skip
        assert size(other.heads[head]) - count == 513


def size(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
