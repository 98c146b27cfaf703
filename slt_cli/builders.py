"""The only place that knows both settings and modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.models.backbones import VIT_MODELS, build_vit
from slt_cli.models.decoder import TextSeq2SeqDecoder, build_seq2seq
from slt_cli.models.keypoints import KeypointEncoder
from slt_cli.models.multistream import MultiStreamEncoder
from slt_cli.models.temporal import TemporalTransformer
from slt_cli.models.translator import SltModel
from slt_cli.models.vit import VisionTransformer
from slt_cli.settings.model import ModelSettings
from slt_cli.settings.root import Settings
from slt_cli.storage.checkpoint import load_checkpoint

# ---- image backbones ----------------------------------------------------------------------------


def load_dinov2_backbone(spec: str) -> VisionTransformer:
    """Build the backbone that a setting names.

    `spec` is a name of `VIT_MODELS` (random weights) or `file::PATH:MODEL`. The file is one that
    `slt pretrain` wrote (its backbone or a checkpoint) or a published DINOv2 state dict; MODEL is a
    name of `VIT_MODELS`, or `custom` for a shape the file itself describes.

    Raises `MissingAsset` when the file is not there, `InputError` when MODEL does not match it.
    """
    if not spec.startswith("file::"):
        return build_vit(spec)
    path, colon, model = spec.removeprefix("file::").rpartition(":")
    if not colon:
        path, model = model, ""
    if not Path(path).is_file():
        raise MissingAsset(
            "backbone file not found",
            where=path,
            hint="write it with slt pretrain, or correct the path",
        )
    payload = load_checkpoint(Path(path))
    weights = _backbone_weights(payload)
    own_model = payload.get("model") or _model_with_shapes(weights)
    if own_model and own_model != model:
        raise InputError(
            f"the file holds {own_model}, not {model}"
            if model
            else f"the model is not named; the file holds {own_model}",
            where=spec,
            hint=f"write file::{path}:{own_model}",
        )
    try:
        vit = build_vit(model, payload.get("vit"))
    except InputError as error:
        raise InputError(error.message, where=spec, hint=error.hint) from error
    _load_strictly(vit, weights, spec)
    return vit


def _backbone_weights(payload: Mapping[str, Any]) -> dict[str, Tensor]:
    """Find the state dict: exported, inside a pretraining checkpoint, or the file as it is."""
    found = payload.get("teacher", payload.get("state_dict", payload))
    prefix = "backbone." if "teacher" in payload else ""
    return {
        key.removeprefix(prefix): value
        for key, value in found.items()
        if key.startswith(prefix) and isinstance(value, Tensor)
    }


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in weights.items()}


def _model_with_shapes(weights: Mapping[str, Tensor]) -> str | None:
    """Name of the model whose tensors have exactly these names and shapes."""
    with torch.device("meta"):
        fits = (
            name for name in VIT_MODELS if _shapes(build_vit(name).state_dict()) == _shapes(weights)
        )
        return next(fits, None)


def _load_strictly(vit: VisionTransformer, weights: Mapping[str, Tensor], spec: str) -> None:
    """Copy the weights, or say which tensors are missing, unexpected or of another shape."""
    expected, found = _shapes(vit.state_dict()), _shapes(weights)
    common = expected.keys() & found.keys()
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "another shape": sorted(
            f"{key} {found[key]} instead of {expected[key]}"
            for key in common
            if found[key] != expected[key]
        ),
    }
    if any(problems.values()):
        raise InputError(
            "the weights do not fit the backbone: "
            + "; ".join(f"{what}: {_listed(keys)}" for what, keys in problems.items() if keys),
            where=spec,
            hint="name the model the weights were trained with: " + ", ".join(VIT_MODELS),
        )
    vit.load_state_dict(weights)


def _listed(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


# ---- translation model --------------------------------------------------------------------------

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


# ---- data ---------------------------------------------------------------------------------------


def build_dataset(
    settings: Settings,
    corpus: CorpusPaths,
    records: Sequence[ClipRecord],
    tokenizer: TextTokenizer,
    glosses: Sequence[str],
    *,
    augment: bool,
) -> ClipDataset:
    """The dataset of one split, augmented for training."""
    data, model = settings.data, settings.model
    return ClipDataset(
        corpus, records, streams=model.streams, tokenizer=tokenizer, glosses=glosses,
        sequence_length=model.sequence_length, image_size=model.image_size,
        pose_landmarks=model.pose_landmarks, max_target_length=data.max_target_length,
        augment=KeypointAugmentation(
            scale=data.keypoint_scale_range, rotate=data.keypoint_rotate_range,
            translate=data.keypoint_translate_range, resample=data.keypoint_resample_range,
        ) if augment else None,
        seed=settings.training.seed, interpolate_gap=data.keypoint_interpolate_gap,
    )  # fmt: skip


def resolve_device(name: str) -> torch.device:
    """`auto` is the first GPU or else the CPU. Raises `MissingAsset` for an absent GPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {name!r}", where="training.device", hint="--device cpu"
        ) from error
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise MissingAsset("no such GPU here", where=name, hint="--device cpu, or slt doctor")
    return device
