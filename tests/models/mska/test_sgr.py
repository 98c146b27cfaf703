"""The learned matrix of SGR, by cases small enough for the hand."""

from __future__ import annotations

import pytest
import torch

from slt_cli.models.mska.sgr import GlobalAttention
from slt_cli.models.mska.stack import KeypointStreamEncoder

ACTIVATIONS = ["softmax", "sigmoid", "tanh", "relu", "identity"]


def maps(joints: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 4, joints, joints)


def everything(joints: int = 3) -> torch.Tensor:
    return torch.ones(2, joints, dtype=torch.bool)


def test_the_matrix_exists_whole_at_construction_and_is_the_identity():
    sgr = GlobalAttention(max_points=5)
    assert torch.equal(sgr.matrix, torch.eye(5))
    assert dict(sgr.named_parameters()).keys() == {"matrix"}


@pytest.mark.parametrize(("activation", "expected"), [
    ("softmax", [[0.2, 0.0, 0.8], [0.5, 0.0, 0.5], [1 / 3, 0.0, 2 / 3]]),
    ("sigmoid", [[5 / 13, 0.0, 8 / 13], [0.5, 0.0, 0.5], [3 / 7, 0.0, 4 / 7]]),
    ("relu", [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    ("tanh", [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    ("identity", [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
])  # fmt: skip
def test_rows_sum_to_one_over_the_joints_that_are_seen(activation, expected):
    sgr = GlobalAttention(max_points=3, activation=activation, mix=1.0)
    two, four = torch.log(torch.tensor([2.0, 4.0]))
    sgr.matrix.data = torch.tensor([[0, 9, four], [0, 9, 0], [0, -9, two]])
    seen = torch.tensor([[True, False, True]])
    attention = sgr(maps()[:1], seen)
    # The maps are read from the giving joint (row) to the receiving one (column).
    for head in attention[0]:
        torch.testing.assert_close(head.T, torch.tensor(expected))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mix_goes_from_the_attention_to_the_matrix(activation):
    local = maps()
    parts = [
        GlobalAttention(max_points=3, activation=activation, mix=mix)(local, everything())
        for mix in (0.0, 0.25, 1.0)
    ]
    torch.testing.assert_close(parts[0], local)
    torch.testing.assert_close(parts[1], 0.75 * local + 0.25 * parts[2])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_stay_finite_when_nothing_is_seen(activation):
    sgr = GlobalAttention(max_points=3, activation=activation)
    sgr(maps(), ~everything()).sum().backward()
    assert sgr.matrix.grad.isfinite().all()


def test_one_matrix_serves_stacks_of_different_sizes():
    sgr = GlobalAttention(max_points=6)
    torch.manual_seed(0)
    for joints in (4, 6):
        stack = KeypointStreamEncoder(num_points=joints, width=16, blocks=2, heads=2, sgr=sgr)
        points = torch.rand(1, 9, joints, 3)
        seen = torch.ones(1, 9, joints, dtype=torch.bool)
        features, _ = stack(points, seen, seen[..., 0])
        sgr.zero_grad()
        features.square().sum().backward()
        used = sgr.matrix.grad != 0
        assert used[:joints, :joints].all()
        assert not used[joints:].any()
