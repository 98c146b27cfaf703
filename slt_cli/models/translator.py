"""The translation model: encoder, gloss head, text decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.multistream import MultiStreamEncoder


@dataclass
class Encoding:
    """Frame features (B, T, D) for the decoder, gloss logits (B, T, G) or None without a head."""

    features: Tensor
    gloss_logits: Tensor | None


@dataclass
class TranslatorOutput:
    """Text logits (B, L, vocabulary) and gloss logits (B, T, G), None without a gloss head."""

    text_logits: Tensor
    gloss_logits: Tensor | None


class SltModel(nn.Module):
    """Streams of a signing clip to text, with gloss CTC as help where glosses exist.

    With `fuse_glosses` the decoder also reads which glosses the head sees at each frame: their
    probabilities through a bias-free linear map, added to the features. This is the embedding
    mapper of MSKA (Guan et al. 2024) beside the features instead of in their place.
    """

    def __init__(
        self,
        *,
        encoder: MultiStreamEncoder,
        decoder: TextSeq2SeqDecoder,
        d_model: int,
        num_glosses: int,
        fuse_glosses: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        # One class more than there are glosses: class 0 is the CTC blank.
        self.gloss_head = nn.Linear(d_model, num_glosses + 1) if num_glosses else None
        self.gloss_embedding = (
            nn.Linear(num_glosses + 1, d_model, bias=False)
            if num_glosses and fuse_glosses
            else None
        )

    def encode(
        self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> Encoding:
        """Features and gloss logits; shapes as in `MultiStreamEncoder.forward`."""
        features = self.encoder(streams, valid, frame_valid)
        if self.gloss_head is None:
            return Encoding(features, None)
        logits = self.gloss_head(features)
        if self.gloss_embedding is not None:
            # Detached: what the glosses are is for CTC alone to say.
            seen = logits.detach().softmax(-1) * frame_valid[..., None]
            features = features + self.gloss_embedding(seen)
        return Encoding(features, logits)

    def forward(
        self,
        streams: Mapping[str, Tensor],
        valid: Mapping[str, Tensor],
        frame_valid: Tensor,
        labels: Tensor,
    ) -> TranslatorOutput:
        """Teacher-forced pass; shapes as in `encode`, labels (B, L)."""
        encoding = self.encode(streams, valid, frame_valid)
        text_logits = self.decoder(encoding.features, frame_valid, labels)
        return TranslatorOutput(text_logits, encoding.gloss_logits)
