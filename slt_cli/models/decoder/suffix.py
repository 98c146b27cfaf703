"""Tokens put behind the features of every clip, wherever the clip ends."""

from __future__ import annotations

import torch
from torch import Tensor


def append_after_last(features: Tensor, valid: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
    """Put `suffix` right after each clip's last valid feature; padding moves behind it.

    So a clip reads the same alone and in a padded batch, and learned positions fit.

    Args:
        features: (B, S, D).
        valid: (B, S) bool.
        suffix: (N, D), the same for every clip.

    Returns: (B, S + N, D) features and (B, S + N) bool.
    """
    count = suffix.shape[0]
    step = torch.arange(features.shape[1] + count, device=features.device)
    length = (valid * (step[:-count] + 1)).amax(1, keepdim=True)  # (B, 1)
    place = step - length  # (B, S + N): 0 at the first suffix token
    in_suffix = (place >= 0) & (place < count)
    chosen = suffix[place.clamp(0, count - 1)]
    longer = torch.cat([features, torch.zeros_like(chosen[:, :count])], 1)
    longer_valid = torch.cat([valid, torch.zeros_like(in_suffix[:, :count])], 1) | in_suffix
    return torch.where(in_suffix[..., None], chosen, longer), longer_valid
