"""Cross-entropy of the target words."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

IGNORE = -100  # label of padding, as Hugging Face and cross-entropy expect it


def translation_loss(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Mean smoothed cross-entropy over real tokens (Szegedy et al. 2016, section 7).

    Args:
        logits: (B, L, vocabulary).
        labels: (B, L) token ids, `IGNORE` on padding.
        label_smoothing: share of the target mass spread over the whole vocabulary.

    Returns: scalar; 0 when no token is real, so that an empty batch cannot produce NaN.
    """
    total = F.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE,
        label_smoothing=label_smoothing, reduction="sum",
    )  # fmt: skip
    return total / (labels != IGNORE).sum().clamp(min=1)
