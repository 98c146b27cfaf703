"""Translation models from settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from slt_cli.builders.backbones import load_dinov2_backbone
from slt_cli.builders.decoder import build_text_decoder
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import UsageError
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.gloss_reader import GlossReader
from slt_cli.models.mapper import GlossEmbedding, GlossMLP
from slt_cli.models.mska.encoder import MSKAEncoder, SgrOptions
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import SltModel
from slt_cli.models.vit import VisionTransformer
from slt_cli.settings.model import ModelSettings
from slt_cli.settings.root import Settings

CROP_PARTS = ("face", "hand_left", "hand_right")


@dataclass(frozen=True)
class ModelShape:
    """What data and files decide about a model; stored in the checkpoint with the settings.

    `num_glosses` are those of the training split, `num_points` maps keypoint parts to their points,
    `backbones` crop parts to the arguments of their vision transformers; `pose_dim` counts the
    values of a pose.
    """

    num_glosses: int
    num_points: dict[str, int]
    pose_dim: int
    backbones: dict[str, dict[str, Any]]


def feature_length(settings: ModelSettings, frames: int) -> int:
    """Features that the decoder reads for a clip of that many frames."""
    crops = {"pose", *CROP_PARTS} & set(settings.streams)
    return frames if crops else gloss_length(settings, frames)


def gloss_length(settings: ModelSettings, frames: int) -> int:
    """Steps of the gloss heads for a clip of that many frames."""
    return -(-frames // MSKAEncoder.stride) if "keypoints" in settings.streams else frames


def load_backbones(settings: ModelSettings) -> dict[str, VisionTransformer]:
    """The vision transformer of every crop stream in use, with its starting weights."""
    return {
        part: load_dinov2_backbone(getattr(settings, f"{part}_backbone"))
        for part in CROP_PARTS
        if part in settings.streams
    }


def build_model(
    settings: Settings,
    shape: ModelShape,
    tokenizer: TextTokenizer,
    *,
    backbones: Mapping[str, VisionTransformer] | None = None,
    decoder_config: Mapping[str, Any] | None = None,
) -> SltModel:
    """Build the model of the task that the settings name.

    For sign2gloss, what only serves the text is there and frozen; for gloss2text the model reads
    glosses and has no part that reads signing.

    `backbones` bring weights, otherwise they are random; so is a text decoder that is rebuilt from
    its `decoder_config`. Raises `UsageError` for settings that do not fit the data or each other:
    fewer gloss classes than glosses, a decoder of another width, a part that nothing trains.
    """
    decoder = build_text_decoder(
        settings.model, tokenizer,
        max_source=feature_length(settings.model, settings.model.sequence_length),
        max_target=settings.data.max_target_length, config=decoder_config,
    )  # fmt: skip
    task = settings.training.task
    if task != "sign2text" and not shape.num_glosses:
        raise UsageError(
            f"{task} needs glosses, and the training clips have none", where="training.task",
            hint="give annotations/gloss.csv, or --task sign2text",
        )  # fmt: skip
    if task == "gloss2text":
        classes = _gloss_classes(settings.model, shape)
        return SltModel(
            mska=None, mapper=None, encoder=None, decoder=decoder, num_classes=classes,
            gloss_reader=GlossReader(num_classes=classes, width=settings.model.d_model),
        )  # fmt: skip
    model = _joined(settings.model, shape, decoder, backbones)
    if task == "sign2gloss":
        for part in (model.decoder, model.mapper):
            if part is not None:
                part.requires_grad_(False)
    return model


def _joined(
    settings: ModelSettings,
    shape: ModelShape,
    decoder: nn.Module,
    backbones: Mapping[str, VisionTransformer] | None,
) -> SltModel:
    classes = _gloss_classes(settings, shape)
    mska = _mska(settings, shape, classes)
    encoder = _multistream(settings, shape, backbones)
    reads_keypoints = encoder is None or settings.mska_gloss_fusion != "none"
    if mska is not None and not reads_keypoints and not classes:
        raise UsageError(
            "nothing trains the keypoints: the decoder does not read them and there are no glosses",
            where="model.mska_gloss_fusion", hint="--mska-gloss-fusion add",
        )  # fmt: skip
    mapper = _mapper(settings, mska, classes) if mska is not None and reads_keypoints else None
    return SltModel(
        mska=mska, mapper=mapper, encoder=encoder, decoder=decoder,
        fusion=settings.mska_gloss_fusion, num_classes=classes,
    )  # fmt: skip


@torch.no_grad()
def start_gloss_embedding(
    model: SltModel, glosses: Sequence[str], tokenizer: TextTokenizer
) -> None:
    """Let each column of a gloss embedding be the mean embedding of the pieces of its gloss.

    So does MSKA's embedding mapper start, with glosses in small letters. Class 0, the blank, starts
    from zero. Other mappers stay as they are, and all do beside a decoder of the user's own.
    """
    decoder = model.decoder
    if not isinstance(model.mapper, GlossEmbedding) or not isinstance(decoder, TextSeq2SeqDecoder):
        return
    pieces = [tokenizer.encode(gloss.lower())[:-1] for gloss in glosses]
    model.mapper.start_from(
        {
            number: decoder.embed(torch.tensor(ids)).mean(0)
            for number, ids in enumerate(pieces, start=1)
            if ids
        }
    )


def _gloss_classes(settings: ModelSettings, shape: ModelShape) -> int:
    """Classes of the gloss heads with the blank; 0 without glosses."""
    needed = shape.num_glosses + 1 if shape.num_glosses else 0
    if settings.mska_ctc_vocab is None or not needed:
        return needed
    if settings.mska_ctc_vocab < needed:
        raise UsageError(
            f"{shape.num_glosses} glosses and the blank need {needed} classes, not "
            f"{settings.mska_ctc_vocab}",
            where="model.mska_ctc_vocab", hint=f"--mska-ctc-vocab {needed}, or leave it out",
        )  # fmt: skip
    return settings.mska_ctc_vocab


def _mska(settings: ModelSettings, shape: ModelShape, classes: int) -> MSKAEncoder | None:
    if "keypoints" not in settings.streams:
        return None
    sgr = SgrOptions(
        activation=settings.mska_sgr_activation, mix=settings.mska_sgr_mix,
        shared=settings.mska_sgr_shared,
    )  # fmt: skip
    return MSKAEncoder(
        num_points=shape.num_points, num_classes=classes, input_dim=settings.mska_input_dim,
        width=settings.mska_width, blocks=settings.mska_temporal_blocks,
        stream_heads=settings.mska_stream_heads, heads=settings.mska_heads,
        kernel=settings.mska_temporal_kernel, dilation=settings.mska_temporal_dilation,
        ff_multiplier=settings.mska_ff_multiplier, dropout=settings.mska_dropout,
        negative_slope=settings.leaky_relu_negative_slope,
        masked=settings.mska_mode == "masked", sgr=sgr if settings.mska_use_sgr else None,
    )  # fmt: skip


def _mapper(settings: ModelSettings, mska: MSKAEncoder, classes: int) -> GlossMLP | GlossEmbedding:
    if settings.mska_gloss_mapper == "probabilities":
        if not classes:
            raise UsageError(
                "there are no gloss probabilities to map: the training clips have no glosses",
                where="model.mska_gloss_mapper", hint="--mska-gloss-mapper features",
            )  # fmt: skip
        return GlossEmbedding(num_classes=classes, out_dim=settings.d_model)
    hidden = [settings.mska_gloss_hidden_dim or settings.d_model]
    if settings.mska_gloss_second_hidden_dim:
        hidden.append(settings.mska_gloss_second_hidden_dim)
    return GlossMLP(
        in_dim=mska.gloss_dim, out_dim=settings.d_model, hidden=hidden,
        activation=settings.mska_gloss_activation,
        negative_slope=settings.leaky_relu_negative_slope, dropout=settings.mska_gloss_dropout,
    )  # fmt: skip


def _multistream(
    settings: ModelSettings,
    shape: ModelShape,
    backbones: Mapping[str, VisionTransformer] | None,
) -> MultiStreamEncoder | None:
    vits = backbones or {p: VisionTransformer(**config) for p, config in shape.backbones.items()}
    if not vits and "pose" not in settings.streams:
        return None
    temporal = TemporalTransformer(
        width=settings.d_model, layers=settings.temporal_layers,
        heads=settings.temporal_heads, dropout=settings.temporal_dropout,
    ) if settings.temporal_layers else None  # fmt: skip
    return MultiStreamEncoder(
        backbones=vits,
        frozen=frozenset(p for p in vits if getattr(settings, f"freeze_{p}_backbone")),
        pose_dim=shape.pose_dim, projector_dim=settings.projector_dim,
        pose_projector_dim=settings.pose_projector_dim, d_model=settings.d_model,
        temporal=temporal,
    )  # fmt: skip
