"""Cross-entropy of the target words."""

from __future__ import annotations

import torch
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


def published_translation_loss(
    logits: Tensor, labels: Tensor, label_smoothing: float, *, pad_id: int
) -> Tensor:
    """The smoothed loss as MSKA (Guan et al. 2024) computes it, to compare numbers with it.

    Three things differ from `translation_loss`: it is a sum over tokens divided by the number of
    clips; the smoothed mass goes to the other words only, s / (V - 2) to each one that is neither
    the label nor padding; and it is a divergence, lower by the entropy of that target, which no
    gradient sees.

    Args:
        logits: (B, L, V).
        labels: (B, L) token ids, `IGNORE` on padding.
        label_smoothing: s, the share of the target mass that the label does not get.
        pad_id: the class that never gets mass.
    """
    log_probs = logits.float().log_softmax(-1)
    real = labels != IGNORE
    label = log_probs.gather(-1, labels.clamp(min=0)[..., None])[..., 0]  # (B, L)
    others = log_probs.sum(-1) - label - log_probs[..., pad_id]
    kept, spread = torch.tensor([1 - label_smoothing, label_smoothing], dtype=torch.float64)
    each = spread / (logits.shape[-1] - 2)
    entropy = -(torch.xlogy(kept, kept) + torch.xlogy(spread, each))
    divergence = -(kept * label + each * others) - entropy
    return divergence.masked_fill(~real, 0).sum() / len(logits)
