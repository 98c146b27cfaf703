"""One block against the published numbers and against identities that need no numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slt_cli.models.mska.block import SpatialTemporalBlock, sinusoids
from slt_cli.models.mska.mixing import joint_scores, mix_joints
from tests.models.mska.published import load_block
from tests.parity import Record, check_close, check_equal, numbers

WEIGHTS_OF = {"b": "a"}


def block(in_width: int = 8, out_width: int = 8, stride: int = 1, **changes: int | float):
    torch.manual_seed(0)
    made = SpatialTemporalBlock(
        in_width, out_width, stride=stride,
        **{"num_points": 5, "heads": 3, "head_width": 4, "kernel": 3, "dilation": 1,
           "dropout": 0.0, "negative_slope": 0.1, **changes},
    )  # fmt: skip
    return made.double().eval()


def clip(joints: int = 5, frames: int = 7, width: int = 8, batch: int = 2) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, joints, frames, width, dtype=torch.float64)


def seen(x: Tensor) -> Tensor:
    return torch.ones_like(x[..., 0])


@pytest.mark.real
@pytest.mark.parametrize("case", "abcde")
def test_a_block_computes_what_the_published_one_does(
    real_data: Path, case: str, record_property: Record
):
    expected = numbers(real_data, f"mska_block_{case}.npz")
    weights = numbers(real_data, f"mska_block_{WEIGHTS_OF.get(case, case)}.npz")
    in_width, out_width, head_width, joints, kernel, stride = expected["config"].tolist()
    net = SpatialTemporalBlock(
        in_width, out_width, num_points=joints, heads=6, head_width=head_width, kernel=kernel,
        stride=stride, dilation=1, dropout=0.1, negative_slope=0.1,
    ).eval()  # fmt: skip
    load_block(net, {k[2:]: v for k, v in weights.items() if k.startswith("w.")})
    x = expected["x"].permute(0, 3, 2, 1).contiguous().requires_grad_()
    y = net(x, torch.ones_like(x[..., 0]), None).permute(0, 3, 2, 1)
    (y * expected["cotangent"]).sum().backward()
    what = f"MSKA block {case}"
    count = sum(p.numel() for p in net.parameters())
    check_equal(record_property, f"{what}: parameters", count, int(expected["n_params"]))
    check_close(record_property, what, y.detach(), expected["y"], 2e-6)
    for name, gradient in (
        ("x", x.grad.permute(0, 3, 2, 1)),
        ("alphas", net.alpha.grad[None]),
        ("attention0s", net.global_map.grad[None]),
    ):
        theirs = expected[f"grad_{name}"]
        check_close(record_property, f"{what}: gradient of {name}", gradient, theirs, 1e-4)


def test_the_block_of_the_paper_has_its_number_of_parameters():
    net = block(64, 128, num_points=27, heads=6, head_width=32)
    assert sum(p.numel() for p in net.parameters()) == 179_100


def test_without_alpha_the_attention_is_the_global_map():
    net, x = block(), clip()
    net.alpha.data.zero_()
    net.global_map.data.normal_()
    expected = net.global_map.expand(2, -1, -1, -1)
    assert torch.equal(net.attention(x, seen(x)), expected)


def test_without_any_attention_only_the_residual_paths_are_left():
    net, x = block(8, 16, stride=2, head_width=4), clip()
    net.alpha.data.zero_()
    net.global_map.data.zero_()
    for shift in (net.out.linear.bias, net.out.norm.running_mean):
        torch.nn.init.normal_(shift)
    nothing = net.out.norm(net.out.linear.bias.expand(2, 5, 7, 16))
    leaky = torch.nn.functional.leaky_relu
    h = leaky(net.out_residual(x, None) + nothing, 0.1)
    h = leaky(net.ff_residual(x, None) + net.ff(h, None), 0.1)
    expected = leaky(net.temporal_residual(h, None) + net.temporal(h, None), 0.1)
    torch.testing.assert_close(net(x, seen(x), None), expected)
    net.out.linear.weight.data.normal_()
    torch.testing.assert_close(net(x, seen(x), None), expected)


def test_joints_may_be_renumbered_together_with_their_positions_and_maps():
    net, x = block(), clip()
    net.global_map.data.normal_()
    y = net(x, seen(x), None)
    order = torch.tensor([3, 0, 4, 1, 2])
    net.positions = net.positions[order]
    net.global_map.data = net.global_map.data[:, order][:, :, order]
    torch.testing.assert_close(net(x[:, order], seen(x), None), y[:, order])


def test_a_missing_joint_says_nothing_to_the_others():
    net, x = block(), clip()
    presence = seen(x)
    presence[:, 2] = 0
    changed = x.clone()
    changed[:, 2] += 1
    rest = [0, 1, 3, 4]
    y, z = net(x, presence, None), net(changed, presence, None)
    torch.testing.assert_close(y[:, rest], z[:, rest])
    assert not torch.allclose(y[:, 2], z[:, 2])


def test_scores_are_means_over_the_frames_in_which_both_joints_are_present():
    net, x = block(), clip()
    half = seen(x)
    half[:, :, 4:] = 0
    torch.testing.assert_close(
        net.attention(x, half), net.attention(x[:, :, :4].contiguous(), seen(x[:, :, :4]))
    )
    torch.testing.assert_close(net.attention(x, seen(x) * 0.3), net.attention(x, seen(x)))


def test_positions_are_sines_and_cosines_in_turn():
    table = sinusoids(27, 6)
    assert table.shape == (27, 6)
    torch.testing.assert_close(table[0], torch.tensor([0.0, 1, 0, 1, 0, 1]))
    angle = 5 * 10_000 ** (-2 / 6)
    expected = torch.tensor([angle, angle]).double()
    torch.testing.assert_close(
        table[5, 2:4].double(),
        torch.stack([expected[0].sin(), expected[1].cos()]),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [6, 7])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 2), (7, 1)])
def test_the_temporal_convolution_keeps_every_stride_th_frame(stride, frames, kernel, dilation):
    net = block(8, 12, stride=stride, kernel=kernel, dilation=dilation)
    x = clip(frames=frames)
    assert net(x, seen(x), None).shape == (2, 5, -(-frames // stride), 12)


def test_the_gradient_reaches_every_parameter():
    net, x = block(8, 16, stride=2), clip()
    net(x, seen(x), None).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def small_attention() -> tuple[Tensor, ...]:
    torch.manual_seed(2)
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    presence = torch.rand(2, 4, 3, dtype=torch.float64)
    presence[0, 1] = 0
    return x, presence


def test_the_gradients_of_the_attention_are_those_of_its_function():
    x, presence = small_attention()
    qk, offset = torch.randn(12, 5), torch.randn(4, 12)
    maps, weight = torch.randn(2, 3, 4, 4), torch.randn(7, 15)
    for function, inputs in (
        (partial(joint_scores, heads=3), (x, presence, qk, offset)),
        (mix_joints, (x, presence, maps, weight)),
    ):
        ready = [t.double().clone().requires_grad_(t is not presence) for t in inputs]
        assert torch.autograd.gradcheck(function, ready)


def test_a_traced_graph_computes_the_same(monkeypatch: pytest.MonkeyPatch):
    net, x = block(8, 16, stride=2), clip()
    presence = torch.rand_like(x[..., 0])
    y = net(x, presence, None)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(net(x, presence, None), y)
