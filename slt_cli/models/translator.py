"""The translation model: keypoints, crops or glosses to features, glosses, text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from slt_cli.losses.translation import IGNORE
from slt_cli.models.attention import TransformerLayer
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.gloss_reader import GlossReader
from slt_cli.models.mapper import GlossEmbedding, GlossMLP
from slt_cli.models.mska.block import SpatialTemporalBlock
from slt_cli.models.mska.encoder import MSKAEncoder, MSKAOutput
from slt_cli.models.multistream import FuseConcatLinear, MultiStreamEncoder
from slt_cli.models.recompute import recompute_activations
from slt_cli.models.vit import Block

Fusion = Literal["add", "concat", "none"]


@dataclass
class Encoding:
    """Features (B, S, D) for the decoder, their mask (B, S), and glosses where there are heads.

    S is T frames with crops or pose, a quarter of them with keypoints alone, or G glosses.
    """

    features: Tensor
    valid: Tensor
    glosses: MSKAOutput | None


@dataclass
class TranslatorOutput:
    """Text logits (B, L, vocabulary), None without labels; what the gloss heads say, if any."""

    text_logits: Tensor | None
    glosses: MSKAOutput | None


def gloss_scores(glosses: MSKAOutput) -> Tensor:
    """(B, T', K) scores that glosses are read from: of all heads together, else of the only one."""
    return glosses.logits["fuse"] if glosses.ensemble is None else glosses.ensemble


class SltModel(nn.Module):
    """Streams of a signing clip to text, with gloss CTC as help where glosses exist.

    Keypoints go through `mska` and are mapped for the decoder: its gloss features by a `GlossMLP`,
    or its gloss probabilities by a `GlossEmbedding` (the two mappers of Guan et al. 2024). Crops
    and pose go through `encoder`. With both, the mapped keypoints are repeated to the frame rate
    and added to the features, joined with them by one linear map (`concat`), or left to CTC alone
    (`none`). `num_classes` of the gloss heads include the CTC blank; 0 where there are no glosses.

    With a `gloss_reader` the model translates glosses, not signing: it has no other input.
    """

    def __init__(
        self,
        *,
        mska: MSKAEncoder | None,
        mapper: GlossMLP | GlossEmbedding | None,
        encoder: MultiStreamEncoder | None,
        decoder: TextSeq2SeqDecoder,
        fusion: Fusion = "add",
        num_classes: int = 0,
        gloss_reader: GlossReader | None = None,
    ) -> None:
        super().__init__()
        if mska is None and encoder is None and gloss_reader is None:
            raise ValueError("a model needs keypoints, crops or pose, or glosses to read")
        self.mska, self.mapper, self.encoder, self.decoder = mska, mapper, encoder, decoder
        self.gloss_reader = gloss_reader
        self.num_classes = num_classes
        self.join = None
        if mska is not None and encoder is not None and fusion == "concat":
            self.join = FuseConcatLinear(in_dims=[decoder.width] * 2, out_dim=decoder.width)
        # Without keypoints, one linear gloss head reads the features that the decoder reads.
        self.gloss_head = (
            nn.Linear(decoder.width, num_classes)
            if mska is None and gloss_reader is None and num_classes
            else None
        )

    def encode(
        self,
        streams: Mapping[str, Tensor],
        valid: Mapping[str, Tensor],
        frame_valid: Tensor,
        glosses: Tensor | None = None,
    ) -> Encoding:
        """Features, mask and glosses of a batch.

        Args:
            streams: `keypoints_<part>` (B, T, V, C), `pose` (B, T, P, C), `crops_<part>`
                (B, T, 3, H, W).
            valid: the same names: (B, T, V), (B, T, P) and (B, T) bool.
            frame_valid: (B, T) bool, False on padding, which comes last.
            glosses: (B, G) ids, 0 on padding; only a gloss reader reads them, and nothing else.
        """
        if self.gloss_reader is not None:
            assert glosses is not None
            return Encoding(*self.gloss_reader(glosses), None)
        seen = mapped = None
        if self.mska is not None:
            seen = self.mska(_keypoint_parts(streams), _keypoint_parts(valid), frame_valid)
            mapped = self._mapped(seen)
        if self.encoder is None:
            assert seen is not None
            assert mapped is not None
            return Encoding(mapped, seen.valid, _with_heads(seen))
        features = self.encoder(streams, valid, frame_valid)
        if mapped is not None and self.mska is not None:
            frame = torch.arange(features.shape[1], device=features.device)
            mapped = mapped[:, frame // self.mska.stride] * frame_valid[..., None]
            features = features + mapped if self.join is None else self.join([features, mapped])
        if self.gloss_head is not None:
            logits = {"fuse": self.gloss_head(features)}
            seen = MSKAOutput(features, logits, None, frame_valid)
        return Encoding(features, frame_valid, _with_heads(seen))

    def forward(
        self,
        streams: Mapping[str, Tensor],
        valid: Mapping[str, Tensor],
        frame_valid: Tensor,
        labels: Tensor | None,
        glosses: Tensor | None = None,
        *,
        teacher_forcing: float = 1.0,
    ) -> TranslatorOutput:
        """Training pass; shapes as in `encode`, labels (B, L).

        Without labels the decoder is not run. Of the words that it reads, a share of
        `teacher_forcing` come from the labels, the others from its own predictions.
        """
        encoding = self.encode(streams, valid, frame_valid, glosses)
        if labels is None:
            return TranslatorOutput(None, encoding.glosses)
        if teacher_forcing < 1:
            text_logits = self._scheduled(encoding, labels, teacher_forcing)
        else:
            text_logits = self.decoder(encoding.features, encoding.valid, labels)
        return TranslatorOutput(text_logits, encoding.glosses)

    def recompute_activations(self) -> None:
        """Keep less for the backward pass: the blocks of the encoders and the text model's layers.

        A text decoder of the user's own is left as it is.
        """
        for module in list(self.modules()):
            if isinstance(module, SpatialTemporalBlock | TransformerLayer | Block):
                recompute_activations(module)
        text_model = getattr(self.decoder, "model", None)
        for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable"):
            if hasattr(text_model, name):  # the newer of the library's names
                getattr(text_model, name)({"use_reentrant": False})
                break

    def _scheduled(self, encoding: Encoding, labels: Tensor, ratio: float) -> Tensor:
        """Logits (B, L, vocabulary) of scheduled sampling (Mihaylova and Martins 2019, section 3).

        The first pass predicts every word from the true ones before it, without a gradient. The
        second reads each true word with probability `ratio` and else the predicted one. The random
        numbers come from torch's global generator.
        """
        memory = self.decoder.encode(encoding.features, encoding.valid)
        true = self.decoder.shifted(labels)
        with torch.no_grad():
            predicted = self.decoder.decode(true, memory).argmax(-1)
        torch.clear_autocast_cache()  # older torch keeps there weights cast without a gradient
        taken = torch.rand(true[:, 1:].shape, device=true.device) >= ratio
        taken &= labels[:, :-1] != IGNORE
        read = torch.where(taken, predicted[:, :-1], true[:, 1:])
        return self.decoder.decode(torch.cat([true[:, :1], read], 1), memory)

    def _mapped(self, seen: MSKAOutput) -> Tensor | None:
        """(B, T', D) features for the decoder from what the keypoints say; zero on padding."""
        if self.mapper is None:
            return None
        if isinstance(self.mapper, GlossEmbedding):
            mapped = self.mapper(seen.logits["fuse"].softmax(-1))
        else:
            mapped = self.mapper(seen.gloss_feature)
        return mapped * seen.valid[..., None]


def _with_heads(seen: MSKAOutput | None) -> MSKAOutput | None:
    return seen if seen is not None and seen.logits else None


def _keypoint_parts(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "keypoints_"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
