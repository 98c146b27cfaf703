from __future__ import annotations

import pytest
import torch
from torch import nn

from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.training.optim import PARTS, build_adamw, build_optimizer, part_of, set_rates
from tests.models.small import small_model

RATES = {"mska": 0.1, "backbone": 0.2, "encoder": 0.3, "decoder": 0.4, "mapper": 0.5}
SAME = dict.fromkeys(PARTS, 0.1)


class Backbone(nn.Module):
    embed_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(2, 3)


def matrix_and_bias() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"decoder": nn.Linear(3, 2)})


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def test_every_part_of_a_model_gets_its_own_peak_rate() -> None:
    model = small_model(pose=True, fusion="concat")
    model.encoder = MultiStreamEncoder(backbones={"face": Backbone()}, pose_dim=4, d_model=24)
    optimizer = build_optimizer(model, kind="adamw", rates=RATES, weight_decay=0.0)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    expected = {
        "mska.": 0.1, "encoder.backbones.": 0.2, "encoder.projectors.": 0.3, "encoder.fusion.": 0.3,
        "decoder.": 0.4, "mapper.": 0.5, "join.": 0.5,
    }  # fmt: skip
    seen = set()
    for name, parameter in model.named_parameters():
        prefix = next(prefix for prefix in expected if name.startswith(prefix))
        assert rate[id(parameter)] == expected[prefix], name
        seen.add(prefix)
    assert seen == set(expected)


def test_heads_and_readers_of_glosses_belong_to_the_mapper() -> None:
    assert {part_of(f"{name}.weight") for name in ("gloss_head", "gloss_reader.embed")} == {
        "mapper"
    }


def test_only_matrices_that_are_trained_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    model[2].requires_grad_(False)
    model.register_parameter("scale", nn.Parameter(torch.ones(2, 1, 1)))
    groups = build_optimizer(model, kind="adamw", rates=SAME, weight_decay=0.5).param_groups
    shapes = {
        group["weight_decay"]: sorted(tuple(p.shape) for p in group["params"]) for group in groups
    }
    assert shapes == {0.5: [(2, 3)], 0.0: [(2,), (2,), (2,), (2, 1, 1)]}


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("adamw", lambda groups: torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.9))),
        ("adam", lambda groups: torch.optim.Adam(groups, lr=0.1, betas=(0.8, 0.9))),
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.7)),
    ],
)
def test_each_optimiser_takes_the_steps_of_torch_s(kind: str, theirs) -> None:
    one, other = matrix_and_bias(), matrix_and_bias()
    ours = build_optimizer(
        one, kind=kind, rates=SAME, weight_decay=0.2, betas=(0.8, 0.9), momentum=0.7
    )
    reference = theirs(
        [
            {"params": [other["decoder"].weight], "weight_decay": 0.2},
            {"params": [other["decoder"].bias], "weight_decay": 0.0},
        ]
    )
    for number in range(3):
        step(one, ours, number)
        step(other, reference, number)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_factor_multiplies_every_peak() -> None:
    model = small_model()
    optimizer = build_optimizer(model, kind="sgd", rates=RATES, weight_decay=0.0)
    set_rates(optimizer, 0.5)
    found = set_rates(optimizer, 0.25)  # of the peak, not of the rate before
    assert found == pytest.approx({"mska": 0.025, "decoder": 0.1, "mapper": 0.125})
    assert {group["lr"] for group in optimizer.param_groups} == set(found.values())


def test_peaks_survive_a_checkpoint() -> None:
    first = build_optimizer(small_model(), kind="adamw", rates=RATES, weight_decay=0.1)
    set_rates(first, 0.3)
    second = build_optimizer(small_model(), kind="adamw", rates=SAME, weight_decay=0.0)
    second.load_state_dict(first.state_dict())
    assert set_rates(second, 1.0) == {part: RATES[part] for part in ("mska", "decoder", "mapper")}


def test_decay_pulls_weights_towards_zero_without_a_gradient() -> None:
    model = nn.Linear(2, 2)
    optimizer = build_adamw(model, lr=0.1, weight_decay=0.5)
    before = model.weight.detach().clone()
    (model.weight.sum() * 0.0 + model.bias.sum() * 0.0).backward()
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.1 * 0.5))
