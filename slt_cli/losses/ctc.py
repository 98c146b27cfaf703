"""Connectionist temporal classification over glosses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLANK = 0


def ctc_feasible(frames: Tensor, glosses: Tensor, gloss_lengths: Tensor) -> Tensor:
    """(B,) bool: whether an alignment exists, i.e. frames >= glosses + equal neighbours.

    Args:
        frames: (B,) usable frames per clip.
        glosses: (B, G) padded gloss ids.
        gloss_lengths: (B,) glosses per clip.
    """
    position = torch.arange(glosses.shape[1], device=glosses.device)[1:]
    equal = (glosses[:, 1:] == glosses[:, :-1]) & (position < gloss_lengths[:, None])
    return frames >= gloss_lengths + equal.sum(1)


def gloss_ctc_loss(
    logits: Tensor, frame_valid: Tensor, glosses: Tensor, gloss_lengths: Tensor
) -> Tensor:
    """CTC loss (Graves et al. 2006) summed over the clips, divided by their number.

    This is the reduction of Guan et al. (2024). A clip whose glosses do not fit into its frames
    adds nothing. Neither does a clip without glosses: nobody annotated it, so it must not be taught
    that it is blank from end to end.

    Args:
        logits: (B, T, K), class 0 the blank.
        frame_valid: (B, T) bool; valid frames come first.
        glosses: (B, G) ids from 1; what follows the first `gloss_lengths` is not read.
        gloss_lengths: (B,) number of glosses, 0 for a clip without any.

    Returns: scalar, 0 when no clip of the batch takes part.
    """
    frames = frame_valid.sum(1)
    used = ctc_feasible(frames, glosses, gloss_lengths) & (gloss_lengths > 0)
    if not bool(used.any()):
        return logits.sum() * 0.0
    precise = torch.promote_types(logits.dtype, torch.float32)
    log_probs = logits[used].log_softmax(-1, dtype=precise).transpose(0, 1)  # (T, B', K)
    total = F.ctc_loss(
        log_probs, glosses[used], frames[used], gloss_lengths[used], blank=BLANK, reduction="sum"
    )
    return total / len(logits)
