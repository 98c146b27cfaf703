"""Translation models from settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slt_cli.builders.backbones import load_dinov2_backbone
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.models.decoder import TextSeq2SeqDecoder, build_seq2seq
from slt_cli.models.keypoints import KeypointEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import SltModel
from slt_cli.models.vit import VisionTransformer
from slt_cli.settings.model import ModelSettings

CROP_PARTS = ("face", "hand_left", "hand_right")


@dataclass(frozen=True)
class ModelShape:
    """What the data decides about a model; stored in the checkpoint with the settings.

    `num_points` maps keypoint parts to their points, `backbones` crop parts to the arguments of
    their vision transformers.
    """

    vocab_size: int
    num_glosses: int
    num_points: dict[str, int]
    backbones: dict[str, dict[str, Any]]


def load_backbones(settings: ModelSettings) -> dict[str, VisionTransformer]:
    """The vision transformer of every crop stream in use, with its starting weights."""
    return {
        part: load_dinov2_backbone(getattr(settings, f"{part}_backbone"))
        for part in CROP_PARTS
        if part in settings.streams
    }


def build_model(
    settings: ModelSettings,
    shape: ModelShape,
    *,
    max_target_length: int,
    backbones: Mapping[str, VisionTransformer] | None = None,
) -> SltModel:
    """Build the translation model; `backbones` bring weights, otherwise they are random."""
    vits = backbones or {p: VisionTransformer(**config) for p, config in shape.backbones.items()}
    encoder = MultiStreamEncoder(
        keypoints=_keypoint_encoder(settings, shape),
        backbones={f"crops_{part}": vit for part, vit in vits.items()},
        frozen=frozenset(
            f"crops_{part}" for part in vits if getattr(settings, f"freeze_{part}_backbone")
        ),
        pose_points=settings.pose_landmarks if "pose" in settings.streams else 0,
        projector_dim=settings.projector_dim,
        temporal=TemporalTransformer(
            width=settings.d_model, layers=settings.temporal_layers,
            heads=settings.temporal_heads, dropout=settings.temporal_dropout,
        ),
        d_model=settings.d_model,
    )  # fmt: skip
    decoder = build_seq2seq(
        family=settings.decoder_model, vocab_size=shape.vocab_size, d_model=settings.d_model,
        layers=settings.decoder_layers, heads=settings.decoder_heads,
        dropout=settings.decoder_dropout, max_source=settings.sequence_length,
        max_target=max_target_length, pad_id=TextTokenizer.pad_id, bos_id=TextTokenizer.bos_id,
        eos_id=TextTokenizer.eos_id,
    )  # fmt: skip
    return SltModel(
        encoder=encoder, decoder=TextSeq2SeqDecoder(decoder), d_model=settings.d_model,
        num_glosses=shape.num_glosses, fuse_glosses=settings.mska_gloss_fusion == "add",
    )  # fmt: skip


def _keypoint_encoder(settings: ModelSettings, shape: ModelShape) -> KeypointEncoder | None:
    if "keypoints" not in settings.streams:
        return None
    return KeypointEncoder(
        num_points=shape.num_points, channels=3, width=settings.projector_dim,
        heads=settings.mska_heads, blocks=settings.mska_temporal_blocks,
        kernel=settings.mska_temporal_kernel, dropout=settings.mska_dropout,
    )  # fmt: skip
