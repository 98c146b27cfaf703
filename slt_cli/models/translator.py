"""The translation model: encoder, gloss head, text decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.multistream import MultiStreamEncoder


@dataclass
class TranslatorOutput:
    """Text logits (B, L, vocabulary) and gloss logits (B, T, G), None without a gloss head."""

    text_logits: Tensor
    gloss_logits: Tensor | None


class SltModel(nn.Module):
    """Streams of a signing clip to text, with gloss CTC as help where glosses exist."""

    def __init__(
        self,
        *,
        encoder: MultiStreamEncoder,
        decoder: TextSeq2SeqDecoder,
        d_model: int,
        num_glosses: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        # One class more than there are glosses: class 0 is the CTC blank.
        self.gloss_head = nn.Linear(d_model, num_glosses + 1) if num_glosses else None

    def forward(
        self,
        streams: Mapping[str, Tensor],
        valid: Mapping[str, Tensor],
        frame_valid: Tensor,
        labels: Tensor,
    ) -> TranslatorOutput:
        """Teacher-forced pass; shapes as in `MultiStreamEncoder.forward`, labels (B, L)."""
        features = self.encoder(streams, valid, frame_valid)
        glosses = self.gloss_head(features) if self.gloss_head is not None else None
        return TranslatorOutput(self.decoder(features, frame_valid, labels), glosses)
