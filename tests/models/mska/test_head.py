from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from slt_cli.models.mska.head import GlossHead


def small_head(*, masked: bool = True, num_classes: int = 5, dropout: float = 0.0) -> GlossHead:
    torch.manual_seed(0)
    head = GlossHead(
        in_dim=6, width=8, num_classes=num_classes, ff_multiplier=3, dropout=dropout, masked=masked
    )
    return head.double()


def padded_clips() -> tuple[Tensor, Tensor]:
    """Two clips of 7 and 4 frames."""
    x = torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, torch.arange(7) < torch.tensor([[7], [4]])


def written_out(head: GlossHead, x: Tensor) -> Tensor:
    """The gloss feature of whole clips in evaluation, step by step."""
    bn, d = head.embed_norm, 8
    x = x @ head.embed.weight.T + head.embed.bias
    x = (x - bn.running_mean) / (bn.running_var + 1e-5).sqrt() * bn.weight + bn.bias
    x = x.clamp(min=0)
    for frame in range(x.shape[1]):
        for i in range(d // 2):
            angle = frame * math.exp(-2 * i * math.log(10_000) / d)
            x[:, frame, 2 * i] += math.sin(angle)
            x[:, frame, 2 * i + 1] += math.cos(angle)
    y = F.layer_norm(x, [d], head.ff_norm.weight, head.ff_norm.bias, 1e-6)
    y = over_time(over_time(y, head.widen).clamp(min=0), head.narrow)
    return F.layer_norm(x + y, [d], head.norm.weight, head.norm.bias, 1e-6)


def over_time(x: Tensor, conv: torch.nn.Conv1d) -> Tensor:
    """A convolution of three frames as a sum of three products, zeros beyond the ends."""
    zero = torch.zeros_like(x[:, :1])
    before, after = torch.cat([zero, x[:, :-1]], 1), torch.cat([x[:, 1:], zero], 1)
    taps = zip((before, x, after), conv.weight.unbind(-1), strict=True)
    return sum(frames @ tap.T for frames, tap in taps) + conv.bias


@pytest.mark.parametrize("masked", [True, False])
def test_a_whole_clip_gives_the_written_out_feature(masked: bool) -> None:
    head = small_head(masked=masked).eval()
    head.embed_norm.running_mean.uniform_(-1, 1)
    head.embed_norm.running_var.uniform_(0.5, 2)
    x = padded_clips()[0]
    feature, logits = head(x, torch.ones(2, 7, dtype=torch.bool))
    # The table of positions is float32.
    torch.testing.assert_close(feature, written_out(head, x), rtol=1e-6, atol=1e-6)
    assert logits is not None
    torch.testing.assert_close(logits, feature @ head.classify.weight.T + head.classify.bias)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_no_valid_frame(training: bool) -> None:
    head, (x, valid) = small_head().train(training), padded_clips()
    feature, logits = head(x, valid)
    dirty, scores = head(x.masked_fill(~valid[..., None], float("nan")), valid)
    assert torch.equal(feature, dirty)
    assert torch.equal(logits, scores)
    assert not feature[~valid].any()
    if not training:
        alone, _ = head(x[1:, :4], valid[1:, :4])
        torch.testing.assert_close(alone, feature[1:, :4], rtol=1e-12, atol=1e-12)


def test_as_published_training_skips_padding_in_the_batch_norm_only() -> None:
    head, (x, valid) = small_head(masked=False).train(), padded_clips()
    embedded = head.embed(x).detach()
    seen = head._embed(x, valid)
    assert torch.equal(seen[~valid], embedded[~valid].relu())
    frames = embedded[valid]
    expected = (frames - frames.mean(0)) / (frames.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(seen[valid], expected.relu())
    other = x.masked_fill(~valid[..., None], 3.0)
    changed = (head(other, valid)[0] - head(x, valid)[0])[1].abs().amax(-1) > 1e-9
    assert changed.tolist() == [False, False, True, True, True, True, True]  # two kernels wide


def test_without_classes_there_is_no_output_layer() -> None:
    head, (x, valid) = small_head(num_classes=0), padded_clips()
    feature, logits = head(x, valid)
    assert logits is None
    assert feature.shape == (2, 7, 8)
    feature.square().sum().backward()
    assert all(weight.grad is not None for weight in head.parameters())


def test_dropout_acts_in_training_alone() -> None:
    head, (x, valid) = small_head(dropout=0.5), padded_clips()
    assert not torch.equal(head(x, valid)[0], head(x, valid)[0])
    head.eval()
    assert torch.equal(head(x, valid)[0], head(x, valid)[0])
