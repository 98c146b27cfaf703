"""What a model costs before it is trained: parameters, memory, operations, files.

Nothing here computes: a model is built from tensors that have shapes and no content, and a batch
of such tensors runs through it while operations and kept activations are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from slt_cli.builders.assets import CONFIG, find_decoder, pretrained_name
from slt_cli.builders.backbones import FILE, load_dinov2_backbone
from slt_cli.builders.data import model_inputs
from slt_cli.builders.model import CROP_PARTS, ModelShape, build_model
from slt_cli.builders.pretrained import read_config
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.models.backbones import CUSTOM, VIT_MODELS
from slt_cli.models.translator import SltModel
from slt_cli.settings.model import ModelSettings
from slt_cli.settings.root import Settings

MOMENTS = {"adamw": 2, "adam": 2, "sgd": 1}
"""Numbers that an optimiser keeps for each parameter."""
BYTES = 4  # of a parameter: weights, gradients and moments are float32 in every precision


@dataclass(frozen=True)
class Part:
    """A part of a model and its parameters: those that are trained, and those that are not."""

    name: str
    trained: int
    frozen: int


@dataclass(frozen=True)
class Work:
    """Of one training step: operations of the forward and backward pass, bytes kept between."""

    operations: float
    activation_bytes: int


@dataclass(frozen=True)
class BatchSize:
    """Clips, frames of the longest, tokens of the longest text."""

    clips: int
    frames: int
    tokens: int


def parts_of(model: nn.Module) -> list[Part]:
    """The parts of a translation model in the order of the data; each image backbone is one."""
    members: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        members.setdefault(_part(name), []).append(parameter)
    return [
        Part(
            name,
            sum(p.numel() for p in parameters if p.requires_grad),
            sum(p.numel() for p in parameters if not p.requires_grad),
        )
        for name, parameters in members.items()
    ]


def _part(name: str) -> str:
    first, *rest = name.split(".")
    if first == "encoder" and rest[0] == "backbones":
        return f"{rest[1]} backbone"
    return first if first in {"mska", "encoder", "decoder"} else "mapper"


def state_bytes(parts: list[Part], optimizer: str) -> int:
    """Weights, gradients and what the optimiser keeps."""
    trained, frozen = sum(p.trained for p in parts), sum(p.frozen for p in parts)
    return BYTES * ((2 + MOMENTS[optimizer]) * trained + frozen)


def checkpoint_bytes(parts: list[Part], optimizer: str) -> int:
    """A checkpoint: weights and what the optimiser keeps."""
    trained, frozen = sum(p.trained for p in parts), sum(p.frozen for p in parts)
    return BYTES * ((1 + MOMENTS[optimizer]) * trained + frozen)


@contextmanager
def imagined() -> Iterator[None]:
    """Inside, tensors have shapes and no content, and computing takes neither memory nor time.

    Where a module asks what a value is, the answer is False or 1: some frame is always padding.
    """
    with FakeTensorMode(), _Answers():
        yield


class _Answers(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            return False if args[0].dtype is torch.bool else 1
        return func(*args, **(kwargs or {}))


def backbone_configs(settings: ModelSettings) -> dict[str, dict[str, Any]]:
    """Crop part -> arguments of its backbone; only a custom one is read from its file."""
    configs = {}
    for part in CROP_PARTS:
        if part in settings.streams:
            spec = getattr(settings, f"{part}_backbone")
            model = spec.rpartition(":")[2] if spec.startswith(FILE) else spec
            known = model in VIT_MODELS and model != CUSTOM
            configs[part] = VIT_MODELS[model] if known else load_dinov2_backbone(spec).config
    return configs


def build_imagined(settings: Settings, shape: ModelShape, tokenizer: TextTokenizer) -> SltModel:
    """The model of `build_model`, for use inside `imagined`: no weights are read.

    Raises as `build_model` does for settings that do not fit each other or the data.
    """
    config, named = None, pretrained_name(settings.model)
    if named is not None:
        model = settings.model
        folder = find_decoder(named, model.decoder_search_path, model.decoder_revision)
        values = {**read_config(folder / CONFIG).to_dict(), "vocab_size": len(tokenizer)}
        config = {
            "config": values, "suffix": [],
            "prompt_length": model.decoder_prompt_length or len(model.decoder_prompt_tokens or ()),
        }  # fmt: skip
    return build_model(settings, shape, tokenizer, decoder_config=config)


def step_work(
    model: SltModel, settings: Settings, num_points: Mapping[str, int], size: BatchSize
) -> Work:
    """Count a training step on a batch of that size, for use inside `imagined`.

    `num_points` are those of the keypoint parts, as in `ModelShape`; the model is of no use after.
    The backward pass takes twice the operations of the forward pass. Losses are left out: they are
    small beside the network.
    """
    model.train()
    encoder = model.encoder
    streams, valid = _batch(model, settings, num_points, size)
    frame_valid = torch.ones(size.clips, size.frames, dtype=torch.bool)
    labels = torch.ones(size.clips, size.tokens, dtype=torch.long)
    works = []
    if encoder is not None:
        works = [
            _backbone_work(encoder, part, settings.model.image_size, size)
            for part in encoder.backbones
        ]
        encoder.frozen = frozenset(encoder.backbones)  # so that it takes features
    reads_text = settings.training.task != "sign2gloss"
    glosses = labels if settings.training.task == "gloss2text" else None
    rest = _counted(
        model,
        lambda: model(streams, valid, frame_valid, labels if reads_text else None, glosses),
        times=3,
    )
    return Work(
        rest.operations + sum(w.operations for w in works),
        rest.activation_bytes + sum(w.activation_bytes for w in works),
    )


def _batch(
    model: SltModel, settings: Settings, num_points: Mapping[str, int], size: BatchSize
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs of full length; features in place of crops."""
    b, t = size.clips, size.frames
    streams, valid = {}, {}
    if model.mska is not None:
        for part, points in num_points.items():
            streams[f"keypoints_{part}"] = torch.ones(b, t, points, 3)
            valid[f"keypoints_{part}"] = torch.ones(b, t, points, dtype=torch.bool)
    if model.encoder is not None:
        points, values = model_inputs(settings).pose_shape
        streams["pose"] = torch.ones(b, t, points, values)
        valid["pose"] = torch.ones(b, t, points, dtype=torch.bool)
        for part, vit in model.encoder.backbones.items():
            streams[f"crops_{part}"] = torch.ones(b, t, int(vit.embed_dim))
            valid[f"crops_{part}"] = torch.ones(b, t, dtype=torch.bool)
    return streams, valid


def _backbone_work(encoder: nn.Module, part: str, image_size: int, size: BatchSize) -> Work:
    """All frames of a batch through one backbone, which keeps the activations of one chunk."""
    backbone, frames = encoder.backbones[part], size.clips * size.frames
    crops_bytes = BYTES * frames * 3 * image_size**2
    chunk = min(frames, encoder.frames_per_chunk)
    pixels = torch.ones(chunk, 3, image_size, image_size)
    one = _counted(backbone, lambda: backbone(pixels), times=1)
    learns = part not in encoder.frozen
    passes = 1 if not learns else 3 if chunk == frames else 4  # recomputed chunk by chunk
    kept = one.activation_bytes if learns else 0
    return Work(passes * one.operations * frames / chunk, crops_bytes + kept)


def _counted(module: nn.Module, forward: Callable[[], object], *, times: int) -> Work:
    """Operations of a forward pass, that many times, and the bytes kept for the way back."""
    own = {_storage(p) for p in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(_storage(tensor), tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with FlopCounterMode(display=False) as counter, hooks:
        output = forward()  # which holds on to what was kept
    total = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own)
    del output
    return Work(float(times * counter.get_total_flops()), total)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def fitted(points: Sequence[tuple[int, float]]) -> Callable[[float], float]:
    """Cost of a size by the line that fits (size, cost) `points` best, in least squares.

    Proportional to the size where no line makes sense: for one size, or a line that falls or starts
    below zero.
    """
    sizes, costs = [size for size, _ in points], [cost for _, cost in points]
    ratio = sum(costs) / sum(sizes)
    mean = sum(sizes) / len(sizes)
    spread = sum((size - mean) ** 2 for size in sizes)
    if not spread:
        return lambda size: ratio * size
    slope = sum((s - mean) * c for s, c in zip(sizes, costs, strict=True)) / spread
    start = sum(costs) / len(costs) - slope * mean
    if slope <= 0 or start < 0:
        return lambda size: ratio * size
    return lambda size: start + slope * size
