"""Starts of the learned vectors of prompt tuning (Lester et al. 2021, section 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

PromptInit = Literal["normal", "zero", "uniform", "tokens", "vocab"]


@torch.no_grad()
def initial_prompt(
    embed: Callable[[Tensor], Tensor],
    *,
    vocab_size: int,
    width: int,
    init: PromptInit,
    length: int = 0,
    tokens: Sequence[int] = (),
    std: float = 0.02,
    half_range: float = 0.02,
) -> Tensor:
    """Draw (N, D) vectors to start from.

    N is `length`, or the number of `tokens` when `length` is 0; tokens are repeated or cut to N.
    `vocab` takes N different rows of the vocabulary by chance (as far as there are that many). What
    is random comes from torch's global generator.

    Args:
        embed: (N,) token ids -> (N, D) vectors as the text model reads them.
        vocab_size: ids that `embed` takes.
        width: D.
        init: `normal` (mean 0, `std`), `zero`, `uniform` (-`half_range` to `half_range`), `tokens`
            (embeddings of `tokens`), `vocab` (embeddings of random tokens).
        length: N.
        tokens: ids for `tokens`.
        std: standard deviation of `normal`.
        half_range: half the width of `uniform`.
    """
    if init == "tokens":
        if not tokens:
            raise ValueError("a prompt made of tokens needs at least one")
        count = length or len(tokens)
        return embed(torch.tensor(tokens).repeat(-(-count // len(tokens)))[:count]).clone()
    if init == "vocab":
        repeats = -(-length // vocab_size)
        return embed(torch.cat([torch.randperm(vocab_size)] * repeats)[:length]).clone()
    start = torch.zeros(length, width)
    if init == "normal":
        return start.normal_(0.0, std)
    return start.uniform_(-half_range, half_range) if init == "uniform" else start
