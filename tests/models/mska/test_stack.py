"""A stream of keypoints: the published numbers, and what padding and missing points may not do."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest
import torch

from slt_cli.models.mska.sgr import GlobalAttention
from slt_cli.models.mska.stack import KeypointStreamEncoder, block_widths
from tests.models.mska.published import load_block, name_in_block

PLAIN = Path(__file__).parents[3] / "examples" / "benchmarks" / "plain_mska.py"


def small(**changes) -> KeypointStreamEncoder:
    torch.manual_seed(0)
    options = {"num_points": 5, "width": 16, "blocks": 4, "heads": 2, **changes}
    stack = KeypointStreamEncoder(**options)
    for p in stack.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    return stack.eval()


def clips(lengths=(21, 10), joints: int = 5, channels: int = 3, dtype=torch.float32):
    """Points with NaN in the padding, a few joints missing, and the masks."""
    torch.manual_seed(1)
    frames = max(lengths)
    points = torch.rand(len(lengths), frames, joints, channels, dtype=dtype)
    frame_valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    valid = (torch.rand(points.shape[:3]) > 0.2) & frame_valid[..., None]
    points[~frame_valid] = torch.nan
    return points, valid, frame_valid


def plain_stack(joints: int) -> torch.nn.Module:
    """The stream as the benchmark writes it down, with random weights."""
    spec = importlib.util.spec_from_file_location(PLAIN.stem, PLAIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    stack = module.PlainStack(joints, dropout=0.0).double()
    for p in stack.parameters():
        p.data.add_(0.02 * torch.randn_like(p))
    return stack


@pytest.mark.parametrize("training", [True, False])
def test_reference_mode_is_the_plain_transcription(training: bool):
    """Outputs, gradients and running statistics."""
    plain = plain_stack(27).train(training)
    stack = KeypointStreamEncoder(num_points=27, dropout=0.0, masked=False).double()
    stack.train(training)
    stack.input_map.linear.weight.data = plain.input_map[0].weight.data.flatten(1)
    stack.input_map.linear.bias.data = plain.input_map[0].bias.data
    stack.input_map.norm.load_state_dict(plain.input_map[1].state_dict())
    blocks = list(zip(stack.blocks, plain.blocks, strict=True))
    for ours, theirs in blocks:
        load_block(ours, theirs.state_dict())
        torch.testing.assert_close(ours.positions, theirs.pe[0, :, 0].T, atol=2e-6, rtol=0)
        ours.positions = theirs.pe[0, :, 0].T  # float32 rounding alone tells them apart
    points = torch.rand(2, 9, 27, 3, dtype=torch.float64)
    seen = torch.ones(2, 9, 27, dtype=torch.bool)
    found, expected = stack(points, seen, seen[..., 0])[0], plain(points)
    torch.testing.assert_close(found, expected)
    cotangent = torch.randn_like(expected)
    for features in (found, expected):
        (features * cotangent).sum().backward()
    for ours, theirs in blocks:
        for name, p in ours.named_parameters():
            gradient = theirs.get_parameter(name_in_block(name)).grad.reshape(p.shape)
            torch.testing.assert_close(p.grad, gradient, msg=name)
        for name, buffer in ours.named_buffers():
            if name != "positions":
                torch.testing.assert_close(buffer, theirs.get_buffer(name_in_block(name)), msg=name)


def test_the_published_sizes():
    counts = [
        sum(p.numel() for p in KeypointStreamEncoder(num_points=joints).parameters())
        for joints in (27, 27, 26, 79)
    ]
    assert counts == [3_820_576, 3_820_576, 3_818_032, 4_085_152]
    assert sum(counts) == 15_544_336
    body = KeypointStreamEncoder(num_points=79)
    assert [sum(p.numel() for p in block.parameters()) for block in body.blocks] == [
        120_716, 91_468, 212_172, 251_980, 730_956, 892_492, 892_492, 892_492,
    ]  # fmt: skip
    assert not [name for name in body.state_dict() if "positions" in name]


def test_widths_grow_with_the_blocks():
    assert block_widths(256, 8) == (64, 64, 64, 128, 128, 256, 256, 256, 256)
    assert block_widths(64, 2) == (16, 16, 64)
    assert block_widths(64, 4) == (16, 16, 32, 64, 64)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 21])
def test_a_quarter_of_the_frames_is_left(frames: int):
    points, valid, frame_valid = clips((frames, 1))
    features, feature_valid = small()(points, valid, frame_valid)
    assert features.shape == (2, (frames + 3) // 4, 16)
    assert feature_valid.sum(1).tolist() == [features.shape[1], 1]


@pytest.mark.parametrize(
    "options",
    [{}, {"kernel": 5, "dilation": 2}, {"input_dim": 2}, {"heads": 3, "blocks": 2},
     {"sgr": GlobalAttention(max_points=7)}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_a_clip_alone_and_in_a_padded_batch_gives_the_same(options, dtype, tolerance):
    stack = small(**options).to(dtype)
    points, valid, frame_valid = clips(channels=options.get("input_dim", 3), dtype=dtype)
    together, feature_valid = stack(points, valid, frame_valid)
    assert together.isfinite().all()
    for i, length in enumerate((21, 10)):
        one = slice(i, i + 1)
        alone, _ = stack(points[one, :length], valid[one, :length], frame_valid[one, :length])
        rest = together[i, feature_valid[i]]
        assert (rest - alone[0]).abs().max() <= tolerance * alone.abs().max()
    assert not together[~feature_valid].any()


def test_the_value_of_a_missing_point_changes_nothing():
    stack = small()
    points, valid, frame_valid = clips()
    features, _ = stack(points, valid, frame_valid)
    points[~valid] = torch.nan
    assert torch.equal(stack(points, valid, frame_valid)[0], features)


def test_no_confidence_is_as_good_as_missing():
    stack = small()
    points, valid, frame_valid = clips()
    features, _ = stack(points, valid, frame_valid)
    points[~valid] = torch.tensor([0.3, 0.7, 0.0])
    # The point itself is read by the input map, which is then weighed by nothing.
    torch.testing.assert_close(
        stack(points, frame_valid[..., None].expand_as(valid), frame_valid)[0], features
    )


def test_without_padding_and_with_every_point_seen_both_modes_agree():
    masked, reference = small(), small(masked=False)
    reference.load_state_dict(masked.state_dict())
    points, _, frame_valid = clips((12, 12))
    points[..., 2] = 1
    seen = frame_valid[..., None].expand(points.shape[:3])
    a, b = masked(points, seen, frame_valid), reference(points, seen, frame_valid)
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("missing", ["a joint", "a clip", "everything"])
def test_gradients_stay_finite_when_points_are_missing(missing: str):
    stack = small().train()
    points, valid, frame_valid = clips()
    chosen = {"a joint": (slice(None), slice(None), 2), "a clip": (0,), "everything": ()}[missing]
    valid[chosen] = False
    points = points.nan_to_num().requires_grad_()
    features, _ = stack(points, valid, frame_valid)
    features.square().sum().backward()
    assert features.isfinite().all()
    assert points.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in stack.parameters())


@pytest.mark.parametrize("masked", [True, False])
def test_the_gradient_reaches_every_parameter(masked: bool):
    stack = small(masked=masked, sgr=GlobalAttention(max_points=5)).train()
    points, valid, frame_valid = clips()
    features, _ = stack(points.nan_to_num(), valid, frame_valid)
    features.square().sum().backward()
    unreached = {name for name, p in stack.named_parameters() if not p.grad.any()}
    # Batch norm takes the mean away, so the gradient of a bias before it is zero.
    assert not {name for name in unreached if not name.endswith(("linear.bias", "conv.bias"))}


def test_training_with_padding_follows_the_valid_frames_only():
    """Statistics of a padded batch are those of its clips without padding."""
    stack = small(dropout=0.0).double().train()
    points, valid, frame_valid = clips((21, 21), dtype=torch.float64)
    longer = [torch.cat([t, t.clone()], dim=1) for t in (points, valid, frame_valid)]
    longer[0][:, 21:], longer[2][:, 21:] = torch.nan, False
    twin = copy.deepcopy(stack)
    features, _ = stack(points, valid, frame_valid)
    padded, feature_valid = twin(*longer)
    torch.testing.assert_close(padded[feature_valid], features.flatten(0, 1))
    for out in (features, padded):
        out.square().sum().backward()
    for (name, p), q in zip(stack.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_dropout_changes_training_only():
    stack = small(dropout=0.5)
    batch = clips()
    assert torch.equal(stack(*batch)[0], stack(*batch)[0])
    stack.train()
    assert not torch.equal(stack(*batch)[0], stack(*batch)[0])
