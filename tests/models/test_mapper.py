from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slt_cli.models.mapper import GlossEmbedding, GlossMLP
from slt_cli.models.mska.published import from_published, to_published
from tests.parity import Record, check_close, numbers


def mlp(hidden: list[int], activation: str = "relu", dropout: float = 0.0) -> GlossMLP:
    torch.manual_seed(0)
    return GlossMLP(
        in_dim=6, out_dim=4, hidden=hidden, activation=activation, negative_slope=0.25,
        dropout=dropout,
    )  # fmt: skip


def test_the_published_mapper_has_its_parameter_count() -> None:
    mapper = GlossMLP(
        in_dim=512, out_dim=1024, hidden=[1024], activation="relu", negative_slope=0.1, dropout=0.0
    )
    assert sum(weight.numel() for weight in mapper.parameters()) == 1_574_912


@pytest.mark.parametrize(
    ("activation", "by_hand"),
    [
        ("leaky_relu", lambda x: torch.where(x > 0, x, 0.25 * x)),
        ("relu", lambda x: x.clamp(min=0)),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        ("tanh", torch.tanh),
    ],
)
def test_two_hidden_layers_equal_the_written_out_product(activation: str, by_hand) -> None:
    mapper, x = mlp([5, 3], activation), torch.randn(2, 7, 6)
    first, second = mapper.hidden
    y = by_hand(by_hand(x @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    torch.testing.assert_close(mapper(x), y @ mapper.out.weight.T + mapper.out.bias)


def test_dropout_acts_in_training_alone() -> None:
    mapper, x = mlp([50], dropout=0.5), torch.randn(1, 3, 6)
    assert not torch.equal(mapper(x), mapper(x))
    mapper.eval()
    assert torch.equal(mapper(x), mapper(x))


def test_columns_of_the_embedding_start_from_glosses() -> None:
    embedding = GlossEmbedding(num_classes=4, out_dim=3)
    embedding.start_from({1: torch.tensor([1.0, 2.0, 3.0]), 3: torch.tensor([4.0, 5.0, 6.0])})
    expected = torch.tensor([[0.0, 1, 0, 4], [0, 2, 0, 5], [0, 3, 0, 6]])
    assert torch.equal(embedding.weight, expected)
    seen = embedding(torch.tensor([[[0.0, 0.5, 0.25, 0.25]]]))
    assert torch.equal(seen, torch.tensor([[[1.5, 2.25, 3.0]]]))
    seen.sum().backward()  # the columns stay trainable
    assert embedding.weight.grad is not None


@pytest.mark.real
def test_both_mappers_equal_the_published_ones(real_data: Path, record_property: Record) -> None:
    case = numbers(real_data, "mska_mapper.npz")
    projection = GlossMLP(
        in_dim=64, out_dim=32, hidden=[32], activation="relu", negative_slope=0.1, dropout=0.1
    ).eval()
    weights = {n.removeprefix("proj.w."): x for n, x in case.items() if n.startswith("proj.w.")}
    projection.load_state_dict(from_published(weights, projection.state_dict()))
    assert to_published(projection.state_dict()).keys() == weights.keys()
    embedding = GlossEmbedding(num_classes=10, out_dim=32)
    columns = case["emb.weight"]
    embedding.start_from({gloss: columns[:, gloss] for gloss in range(10) if gloss != 4})
    assert torch.equal(embedding.weight, columns)  # the published column 4 is zero
    column = {"mapping.weight": columns}
    assert torch.equal(from_published(column, embedding.state_dict())["weight"], columns)
    for mapper, name in ((projection, "proj"), (embedding, "emb")):
        found, expected = mapper(case[f"{name}.x"]), case[f"{name}.y"]
        check_close(record_property, f"mapper: {name}", found, expected, 2e-6)
