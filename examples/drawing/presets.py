"""The models of the presets, built without memory for their weights."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models
from torch import Tensor, nn

from slt_cli.builders import ModelShape, build_model, model_inputs
from slt_cli.builders.model import CROP_PARTS
from slt_cli.data.tokenizer import SPECIAL, UNK, TextTokenizer
from slt_cli.landmarks.layouts import STREAMS, get_layout
from slt_cli.models.backbones import VIT_MODELS
from slt_cli.models.translator import SltModel
from slt_cli.settings.load import load_settings
from slt_cli.settings.preset_files import list_presets

GLOSSES = 1_093  # of RWTH-PHOENIX-Weather 2014 T; the blank makes them 1,094


def preset_model(preset: str) -> SltModel:
    """The model of a preset on torch's meta device, for PHOENIX-2014T's glosses."""
    settings = load_settings(preset=preset).settings
    shape = ModelShape(
        num_glosses=GLOSSES,
        num_points=_points() if "keypoints" in settings.model.streams else {},
        pose_dim=model_inputs(settings).pose_dim,
        backbones={
            part: VIT_MODELS[getattr(settings.model, f"{part}_backbone")]
            for part in CROP_PARTS
            if part in settings.model.streams
        },
    )
    with torch.device("meta"):
        return build_model(settings, shape, _tokenizer(settings.model.vocab_size))


def one_clip(preset: str, frames: int) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """A clip that shows everything, as the model of a preset reads it: streams, masks, frames."""
    inputs = model_inputs(load_settings(preset=preset).settings)
    shapes: dict[str, tuple[int, ...]] = {
        f"crops_{part}": (3, inputs.image_size, inputs.image_size)
        for part in CROP_PARTS
        if part in inputs.streams
    }
    if "keypoints" in inputs.streams:
        shapes |= {f"keypoints_{part}": (points, 3) for part, points in _points().items()}
    if "pose" in inputs.streams:
        shapes["pose"] = inputs.pose_shape
    streams = {name: torch.rand(1, frames, *shape) for name, shape in shapes.items()}
    # A crop is seen or not, of keypoints and pose each point.
    axes = {name: 2 if name.startswith("crops") else 3 for name in shapes}
    valid = {
        name: torch.ones(x.shape[: axes[name]], dtype=torch.bool) for name, x in streams.items()
    }
    return streams, valid, torch.ones(1, frames, dtype=torch.bool)


def with_memory(module: nn.Module) -> nn.Module:
    """The module on the CPU, all weights zero: enough for shapes."""
    module.to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.zero_()
    return module


def sizes_table() -> str:
    """Markdown: parameters of every preset that `slt train` takes, by part."""
    lines = ["| preset | keypoints | mapper | crops, pose | decoder | all |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for preset in list_presets("train"):
        model = preset_model(preset.name)
        parts = (model.mska, model.mapper, model.encoder, model.decoder, model)
        cells = [f"{count:,}" if (count := _count(part)) else "-" for part in parts]
        lines.append(f"| `{preset.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _points() -> dict[str, int]:
    layout = get_layout("coco_wholebody_133")
    return {part: len(layout.streams[part]) for part in STREAMS}


def _count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(p.numel() for p in module.parameters())


def _tokenizer(pieces: int) -> TextTokenizer:
    """A vocabulary of that size."""
    names = [*SPECIAL, *(f"piece {number}" for number in range(len(SPECIAL), pieces))]
    vocabulary = {name: number for number, name in enumerate(names)}
    return TextTokenizer(Tokenizer(models.WordLevel(vocabulary, unk_token=UNK)))
