from __future__ import annotations

import pytest
import torch

from slt_cli.models.decoder.suffix import append_after_last


def test_the_suffix_follows_the_last_valid_feature_and_padding_moves_behind() -> None:
    features = torch.tensor([[1.0, 2, 3], [4, 0, 0], [5, 6, 0]])[..., None]
    valid = features[..., 0] > 0
    longer, longer_valid = append_after_last(features, valid, torch.tensor([[8.0], [9.0]]))
    assert longer[..., 0].tolist() == [[1, 2, 3, 8, 9], [4, 8, 9, 0, 0], [5, 6, 8, 9, 0]]
    assert longer_valid.tolist() == (longer[..., 0] > 0).tolist()


def test_a_gap_before_the_last_valid_feature_stays_a_gap() -> None:
    valid = torch.tensor([[True, False, True, False]])
    longer, longer_valid = append_after_last(torch.ones(1, 4, 1), valid, torch.full((1, 1), 7.0))
    assert longer[0, 3].item() == 7
    assert longer_valid.tolist() == [[True, False, True, True, False]]


def test_a_clip_without_features_is_the_suffix_alone() -> None:
    valid = torch.zeros(1, 2, dtype=torch.bool)
    longer, longer_valid = append_after_last(torch.zeros(1, 2, 1), valid, torch.tensor([[7.0]]))
    assert longer[0, 0].item() == 7
    assert longer_valid.tolist() == [[True, False, False]]


@pytest.mark.parametrize("padding", [1, 4])
def test_more_padding_changes_nothing_before_it(padding: int) -> None:
    features, suffix = torch.randn(2, 5, 3), torch.randn(2, 3)
    valid = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    longer, longer_valid = append_after_last(features, valid, suffix)
    wide = torch.cat([features, torch.randn(2, padding, 3)], 1)
    wide_valid = torch.cat([valid, torch.zeros(2, padding, dtype=torch.bool)], 1)
    wider, wider_valid = append_after_last(wide, wide_valid, suffix)
    assert wider_valid[:, :7].tolist() == longer_valid.tolist()
    assert not wider_valid[:, 7:].any()
    assert torch.equal(wider[wider_valid], longer[longer_valid])
