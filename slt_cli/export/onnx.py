"""A translation model as two ONNX graphs: frames to memory, tokens and memory to the next token."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch.fx.experimental import _config as fx_config
from transformers import PreTrainedModel

from slt_cli.errors import MissingAsset, VerificationError
from slt_cli.export.preprocess import Preprocess
from slt_cli.models.decoder import Memory
from slt_cli.models.translator import SltModel, gloss_scores
from slt_cli.models.vit import VisionTransformer

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
TRACED_FRAMES = 7  # every check uses other numbers of frames
TRACED_TOKENS = 3
LARGEST_FILE = 2**31 - 2**24  # bytes of weights; protobuf allows 2 GiB, the rest is for the graph


class EncoderGraph(nn.Module):
    """Streams to what the text decoder attends to, and gloss logits where there is a head."""

    def __init__(self, model: SltModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor], frame_valid: Tensor
    ) -> tuple[Tensor, ...]:
        """Shapes as in `SltModel.encode` -> tensors named as in `encoder_outputs`.

        (B, S, D) memory and (B, S) mask; with gloss heads their scores (B, T', G) and mask (B, T').
        """
        encoding = self.model.encode(streams, valid, frame_valid)
        memory = self.model.decoder.encode(encoding.features, encoding.valid)
        outputs = (memory.hidden, memory.valid)
        if encoding.glosses is None:
            return outputs
        return (*outputs, gloss_scores(encoding.glosses), encoding.glosses.valid)


class DecoderGraph(nn.Module):
    """Tokens so far to logits of the next one."""

    def __init__(self, model: SltModel) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, tokens: Tensor, memory: Tensor, memory_valid: Tensor) -> Tensor:
        """(B, L) int64, (B, S, D), (B, S) bool -> (B, vocabulary)."""
        return self.decoder.decode(tokens, Memory(memory, memory_valid))[:, -1]


def encoder_outputs(model: SltModel) -> list[str]:
    """Names of what the encoder's graph gives."""
    names = ["memory", "memory_valid", "gloss_scores", "gloss_valid"]
    return names if model.num_classes else names[:2]


def export_onnx(model: SltModel, preprocess: Preprocess, folder: Path, *, opset: int) -> None:
    """Write `encoder.onnx` and `decoder.onnx` with free batch, frame and token axes.

    Inputs are named as in `Preprocess.stream_shapes`, masks `<name>_valid`, padding `frame_valid`.
    Weights beyond what one file may hold go to a data file beside it. Raises `MissingAsset` without
    the package onnxscript, `VerificationError` when an operation has no ONNX counterpart.
    """
    model = _with_fixed_positions(model, preprocess.image_size)
    streams, valid, frame_valid = _example(preprocess)
    batch, frames = torch.export.Dim("B", min=1), torch.export.Dim("T", min=1)
    free, source = {0: batch, 1: frames}, {0: batch, 1: torch.export.Dim("S", min=1)}
    encoder = EncoderGraph(model).eval()
    _export(
        encoder, (streams, valid, frame_valid), folder / ENCODER, opset=opset,
        input_names=[*streams, *(f"{name}_valid" for name in valid), "frame_valid"],
        output_names=encoder_outputs(model),
        dynamic_shapes=(dict.fromkeys(streams, free), dict.fromkeys(valid, free), free),
    )  # fmt: skip
    with torch.no_grad():
        memory, memory_valid, *_ = encoder(streams, valid, frame_valid)
    tokens = torch.full((len(memory), TRACED_TOKENS), preprocess.bos_id)
    _export(
        DecoderGraph(model).eval(), (tokens, memory, memory_valid), folder / DECODER, opset=opset,
        input_names=["tokens", "memory", "memory_valid"], output_names=["logits"],
        dynamic_shapes=({0: batch, 1: torch.export.Dim("L", min=1)}, source, source),
    )  # fmt: skip


def _with_fixed_positions(model: SltModel, image_size: int) -> SltModel:
    """A copy whose image backbones hold their positions for `image_size`, interpolated here.

    Bicubic interpolation would otherwise be left to each runtime's own idea of it. Attention of the
    text model becomes the plain one, which is traced for any number of steps.
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, PreTrainedModel):  # fused attention asks whether there is one step
            module.set_attn_implementation("eager")
        if isinstance(module, VisionTransformer):
            grid = image_size // module.patch_size
            table = module.position_table(grid, grid).detach().clone()
            module.pos_embed, module.grid = nn.Parameter(table), grid
    return model


def _example(preprocess: Preprocess) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    shape = (2, TRACED_FRAMES)
    streams = {n: torch.zeros(*shape, *rest) for n, rest in preprocess.stream_shapes().items()}
    valid = {
        n: torch.ones(*shape, *rest, dtype=torch.bool)
        for n, rest in preprocess.valid_shapes().items()
    }
    return streams, valid, torch.ones(*shape, dtype=torch.bool)


def _export(
    module: nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    *,
    opset: int,
    dynamic_shapes: Any,
    **names: Any,
) -> None:
    size = sum(weight.nbytes for weight in module.state_dict().values())
    try:
        # Sizes stay free where they are one in the example, too.
        with _quiet(), torch.no_grad(), fx_config.patch(backed_size_oblivious=True):
            # Traced here, because the exporter's own first try refuses graphs that hold for one
            # frame only by assertion, and its second one takes twice as long.
            traced = torch.export.export(
                module, inputs, dynamic_shapes=dynamic_shapes, strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )  # fmt: skip
            program: Any = torch.onnx.export(
                traced,
                dynamo=True,
                verbose=False,
                opset_version=opset,
                dynamic_shapes=dynamic_shapes,
                **names,
            )
            _drop_traces(program.model)
            program.save(path, external_data=size > LARGEST_FILE)
    except ImportError as error:
        raise MissingAsset(
            f"ONNX export needs the package {error.name}", hint=f"pip install {error.name}"
        ) from error
    except (torch.onnx.errors.OnnxExporterError, UserError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise VerificationError(
            f"{path.stem} cannot be written with ONNX operators: {reason}", where=path.name,
            hint="try another --opset",
        ) from error  # fmt: skip


def _drop_traces(model: Any) -> None:
    """Forget where in the source each node came from: the exporting machine's folders say who."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the exporter says about packages and names that play no part here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
