"""Models of any settings and random batches for them, without a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from slt_cli.builders import ModelShape, build_model, load_backbones, model_inputs
from slt_cli.data.sample import Batch
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.export.parity import random_batch
from slt_cli.export.preprocess import Preprocess
from slt_cli.models.translator import SltModel
from slt_cli.pipelines.training.recipe import loop_config
from slt_cli.settings.root import Settings

__all__ = ["inputs_of", "loop_config", "made_up_batch", "made_up_model"]

POINTS = {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}  # of every layout
GLOSSES = ("HOUSE", "BOOK", "SCHOOL", "DOG", "WATER", "TREE")


def made_up_model(
    settings: Settings,
    tokenizer: TextTokenizer,
    *,
    num_glosses: int = len(GLOSSES),
    num_points: Mapping[str, int] = POINTS,
) -> tuple[SltModel, ModelShape]:
    """A new model for settings, as for a corpus with that many glosses and points."""
    backbones = load_backbones(settings.model)
    shape = ModelShape(
        num_glosses, dict(num_points) if "keypoints" in settings.model.streams else {},
        model_inputs(settings).pose_dim, {part: vit.config for part, vit in backbones.items()},
    )  # fmt: skip
    return build_model(settings, shape, tokenizer, backbones=backbones), shape


def inputs_of(settings: Settings, shape: ModelShape, tokenizer: TextTokenizer) -> Preprocess:
    """What a bundle of such a model would say about its inputs."""
    model, data = settings.model, settings.data
    return Preprocess(
        layout="made", normalisation=data.keypoint_normalization, streams=tuple(model.streams),
        num_points=shape.num_points, sequence_length=model.sequence_length,
        image_size=model.image_size, pose_landmarks=model.pose_landmarks,
        glosses=GLOSSES[: shape.num_glosses], bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id,
        pad_id=tokenizer.pad_id, max_length=data.max_target_length, landmarks={"layout": "made"},
        interpolate_gap=data.keypoint_interpolate_gap, pose_normalisation=data.pose_normalization,
    )  # fmt: skip


def made_up_batch(
    inputs: Preprocess, tokenizer: TextTokenizer, *, clips: int, frames: int, tokens: int = 6
) -> Batch:
    """Random clips of full length; stream i is seen but for frame i and a point here and there."""
    rng = np.random.default_rng(0)
    batch = random_batch(inputs, rng, clips=clips, frames=frames)
    batch.frame_valid[:] = True
    for number, (name, valid) in enumerate(batch.valid.items()):
        seen = torch.from_numpy(rng.random(valid.shape)) < (1 if valid.ndim == 2 else 0.9)
        seen[:, number % frames] = False
        batch.valid[name] = seen
    labels = torch.from_numpy(rng.integers(4, len(tokenizer), (clips, tokens)))
    labels[:, -1] = tokenizer.eos_id
    one_each = torch.ones(clips, 1, dtype=torch.long)
    glosses = one_each * bool(inputs.glosses)
    return replace(batch, labels=labels, glosses=glosses, gloss_lengths=glosses[:, 0])
