from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from slt_cli.models.dino_head import DinoHead


@pytest.mark.real
def test_logits_match_the_published_head(real_data: Path) -> None:
    numbers = np.load(real_data / "reference_numbers" / "loss_dinov2.npz")
    head = DinoHead(24, 40, hidden=48, bottleneck=16)
    prefix = "head.w."
    head.load_state_dict(
        {
            k.removeprefix(prefix): torch.from_numpy(numbers[k])
            for k in numbers
            if k.startswith(prefix)
        }
    )
    ours = head(torch.from_numpy(numbers["head.x"])).detach().numpy()
    assert np.abs(ours - numbers["head.y"]).max() <= 2e-6 * np.abs(numbers["head.y"]).max()


def test_logits_are_cosines() -> None:
    head = DinoHead(8, 16, hidden=12, bottleneck=6)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    expected = torch.cosine_similarity(head.mlp(x)[:, None], head.last_layer.weight_v[None], dim=2)
    torch.testing.assert_close(head(x), expected)
    head.last_layer.weight_v.data.mul_(7)  # the length of a prototype does not count
    torch.testing.assert_close(head(x), expected)


def test_the_length_of_prototypes_is_not_trained() -> None:
    head = DinoHead(8, 16, hidden=12, bottleneck=6)
    head(torch.randn(5, 8)).square().sum().backward()
    assert head.last_layer.weight_g.grad is None
    assert head.last_layer.weight_v.grad is not None
