"""Batch norm with a mask: equal to PyTorch's on the valid frames alone."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn

from slt_cli.models.mska.norm import MaskedBatchNorm

LENGTHS = torch.tensor([5, 2])


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(2, 5, 4, 6, dtype=torch.float64)
    return x, torch.arange(5) < LENGTHS[:, None]


def pair() -> tuple[MaskedBatchNorm, nn.BatchNorm1d]:
    ours, torchs = MaskedBatchNorm(6).double(), nn.BatchNorm1d(6).double()
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    torchs.load_state_dict(ours.state_dict())
    return ours, torchs


@pytest.mark.parametrize("training", [True, False])
def test_without_a_mask_it_is_batch_norm(training: bool):
    (ours, torchs), (x, _) = pair(), batch()
    ours.train(training), torchs.train(training)
    torch.testing.assert_close(ours(x), torchs(x.reshape(-1, 6)).view_as(x))
    for name, value in torchs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_the_statistics_and_gradients_of_training_are_those_of_the_valid_frames():
    (ours, torchs), (x, valid) = pair(), batch()
    ours_x, torchs_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = ours(ours_x, valid)[valid], torchs(torchs_x[valid].view(-1, 6)).view(7, 4, 6)
    torch.testing.assert_close(y, expected)
    cotangent = torch.randn_like(y)
    (y * cotangent).sum().backward()
    (expected * cotangent).sum().backward()
    torch.testing.assert_close(ours_x.grad, torchs_x.grad)
    for (name, p), q in zip(ours.named_parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)
    for name, value in torchs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_the_gradient_holds_on_padded_frames_too():
    (ours, _), (x, valid) = pair(), batch()
    x = x[:, :, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ours(x, valid), x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_a_shift_is_what_adding_it_first_would_be(training: bool, masked: bool):
    (ours, _), (x, valid) = pair(), batch()
    twin = copy.deepcopy(ours)
    shift = torch.randn(6, dtype=torch.float64, requires_grad=True)
    added = shift.detach().clone().requires_grad_()
    mask = valid if masked else None
    y = ours.train(training)(x, mask, shift=shift)[valid]
    expected = twin.train(training)(x + added, mask)[valid]
    torch.testing.assert_close(y, expected)
    y.pow(3).sum().backward()
    expected.pow(3).sum().backward()
    torch.testing.assert_close(shift.grad, added.grad)
    if training:
        assert not shift.grad.any()
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_one_mask_may_serve_a_whole_axis():
    (ours, _), (x, valid) = pair(), batch()
    turned = x.transpose(1, 2).contiguous()
    expected = copy.deepcopy(ours)(x, valid)
    torch.testing.assert_close(ours(turned, valid[:, None]).transpose(1, 2), expected)


def test_evaluation_does_not_look_at_the_batch():
    (ours, _), (x, valid) = pair(), batch()
    ours.eval()
    torch.testing.assert_close(ours(x, valid)[:1], ours(x[:1]))


@pytest.mark.parametrize("frames", [0, 1])
def test_a_batch_of_hardly_any_frame_stays_finite(frames: int):
    ours = MaskedBatchNorm(6)
    x = torch.randn(1, 3, 6, requires_grad=True)
    y = ours(x, torch.arange(3)[None] < frames)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(value.isfinite().all() for value in ours.state_dict().values())
    if not frames:
        assert not ours.running_mean.any()


def test_a_single_row_does_not_spoil_the_running_variance():
    ours = MaskedBatchNorm(6)
    ours(torch.randn(1, 1, 6))
    assert ours.running_var.isfinite().all()


def test_processes_share_their_statistics(tmp_path):
    """Two processes with one clip each compute what one process does with both."""
    x, valid = batch()
    (ours, _) = pair()
    state = {"ours": ours.state_dict(), "x": x, "valid": valid}
    torch.save(state, tmp_path / "in.pt")
    torch.multiprocessing.spawn(_one_process, (str(tmp_path),), nprocs=2)
    whole = x.clone().requires_grad_()
    y = ours(whole, valid)
    y.square().sum().backward()
    parts = [torch.load(tmp_path / f"out{rank}.pt", weights_only=True) for rank in range(2)]
    torch.testing.assert_close(torch.cat([p["y"] for p in parts]), y.detach())
    torch.testing.assert_close(torch.cat([p["dx"] for p in parts]), whole.grad)
    torch.testing.assert_close(parts[0]["dweight"] + parts[1]["dweight"], ours.weight.grad)
    torch.testing.assert_close(parts[1]["running_var"], ours.running_var)


def _one_process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    state = torch.load(f"{folder}/in.pt", weights_only=True)
    ours = MaskedBatchNorm(6).double()
    ours.load_state_dict(state["ours"])
    x = state["x"][rank : rank + 1].requires_grad_()
    y = ours(x, state["valid"][rank : rank + 1])
    y.square().sum().backward()
    out = {
        "y": y.detach(),
        "dx": x.grad,
        "dweight": ours.weight.grad,
        "running_var": ours.running_var,
    }
    torch.save(out, f"{folder}/out{rank}.pt")
    dist.destroy_process_group()
