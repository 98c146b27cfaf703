from __future__ import annotations

import pytest
import torch
from torch import Tensor

from slt_cli.models.decoder.prompt import initial_prompt
from tests.models.decoder.tiny import WIDTH, clips, labels, tiny_decoder

TABLE = torch.arange(40.0).reshape(10, 4)


def prompt(init: str, **options) -> Tensor:
    torch.manual_seed(3)
    return initial_prompt(lambda ids: TABLE[ids], vocab_size=10, width=4, init=init, **options)


def test_zero_is_zero() -> None:
    assert prompt("zero", length=3).tolist() == [[0.0] * 4] * 3


def test_normal_has_the_deviation_asked_for() -> None:
    start = prompt("normal", length=5000, std=0.3)
    assert start.std().item() == pytest.approx(0.3, rel=0.02)
    assert start.mean().item() == pytest.approx(0.0, abs=0.01)


def test_uniform_fills_its_range_evenly() -> None:
    start = prompt("uniform", length=5000, half_range=0.5)
    assert start.abs().max().item() <= 0.5
    assert start.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("length", "rows"), [(0, [7, 2, 2]), (3, [7, 2, 2]), (2, [7, 2]), (5, [7, 2, 2, 7, 2])]
)
def test_tokens_are_copied_repeated_or_cut(length: int, rows: list[int]) -> None:
    start = prompt("tokens", length=length, tokens=[7, 2, 2])
    assert start.tolist() == TABLE[rows].tolist()


def test_tokens_without_a_token_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        prompt("tokens", length=3)


def test_vocab_takes_different_rows_of_the_vocabulary() -> None:
    rows = {tuple(row) for row in prompt("vocab", length=6).tolist()}
    assert len(rows) == 6
    assert rows <= {tuple(row) for row in TABLE.tolist()}
    assert len(prompt("vocab", length=23)) == 23


@pytest.mark.parametrize("init", ["normal", "uniform", "vocab"])
def test_the_same_seed_gives_the_same_start(init: str) -> None:
    assert torch.equal(prompt(init, length=4), prompt(init, length=4))


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_the_decoder_attends_to_prompt_and_features(family: str) -> None:
    decoder = tiny_decoder(family, 1).double()
    features, valid = clips([4, 2])
    before = decoder.encode(features, valid)
    start = torch.randn(3, WIDTH, dtype=torch.float64)
    plain = decoder(features, valid, labels()[:2])
    decoder.learn_prompt(start)
    memory = decoder.encode(features, valid)
    assert torch.equal(memory.hidden[:, :3], start.expand(2, -1, -1))
    assert torch.equal(memory.hidden[:, 3:], before.hidden)
    assert memory.valid.tolist() == [[True] * 7, [True] * 5 + [False] * 2]
    assert not torch.allclose(decoder(features, valid, labels()[:2]), plain)


def test_the_prompt_is_trained_and_stored() -> None:
    decoder = tiny_decoder(prompt=2)
    assert decoder.state_dict()["prompt"].shape == (2, WIDTH)
    assert "prompt" in dict(decoder.named_parameters())
    assert "prompt" not in tiny_decoder().state_dict()
