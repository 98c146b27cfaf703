"""Tiny text decoders and inputs for them."""

from __future__ import annotations

import torch
from torch import Tensor

from slt_cli.losses.translation import IGNORE
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.decoder.families import (
    build_random,
    config_from,
    small_values,
    special_values,
    with_positions,
)

VOCABULARY, WIDTH = 30, 16
PAD, START, EOS, CODE = 0, 1, 2, 5
SHAPES = [("mbart", 0), ("mbart", 2), ("t5", 0), ("t5", 2)]


def tiny_decoder(
    family: str = "mbart",
    encoder_layers: int = 1,
    *,
    suffix: tuple[int, ...] = (),
    scaled: bool = False,
    prompt: int = 0,
) -> TextSeq2SeqDecoder:
    """Weights large enough for outputs that depend on the input."""
    torch.manual_seed(0)
    values = small_values(family, d_model=WIDTH, layers=2, heads=2, encoder_layers=encoder_layers)
    ids = special_values(pad_id=PAD, start_id=START, eos_id=EOS)
    scale = {"scale_embedding": True} if scaled else {}
    config = config_from({**with_positions(values, 24), **ids, **scale, "vocab_size": VOCABULARY})
    decoder = TextSeq2SeqDecoder(build_random(config), suffix=suffix)
    if prompt:
        decoder.learn_prompt(torch.randn(prompt, WIDTH))
    with torch.no_grad():
        for weight in decoder.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, 1.5 * weight.shape[-1] ** -0.5)
        if scaled:
            decoder.model.get_input_embeddings().weight.div_(WIDTH**0.5)
    return decoder.eval()


def clips(lengths: list[int], *, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Features (B, S, D) float64, a clip's the same whatever it is batched with, and the mask."""
    frames = max(lengths) + padding
    features = torch.randn(len(lengths), frames, WIDTH, dtype=torch.float64)  # padding is noise
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(length)
        features[row, :length] = torch.randn(length, WIDTH, generator=generator)
    return features, torch.arange(frames) < torch.tensor(lengths)[:, None]


def labels() -> Tensor:
    return torch.tensor([[7, 8, 9, EOS], [6, EOS, IGNORE, IGNORE], [4, 4, EOS, IGNORE]])
