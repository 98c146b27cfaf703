"""What the exporter needs of the decoder: graphs with free axes that say what the module says."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from slt_cli.models.decoder import Memory, TextSeq2SeqDecoder
from tests.models.decoder.tiny import CODE, EOS, WIDTH, clips, tiny_decoder

BATCH, FRAMES, SOURCE, TEXT = (torch.export.Dim(name, min=1) for name in ("B", "S", "M", "L"))
KINDS = {
    "mbart": {"encoder_layers": 1, "suffix": (EOS, CODE), "scaled": True, "prompt": 3},
    "t5": {"encoder_layers": 1, "suffix": (EOS,), "prompt": 2},
}


class Encode(nn.Module):
    def __init__(self, decoder: TextSeq2SeqDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(self.decoder.encode(features, valid))


class Decode(nn.Module):
    def __init__(self, decoder: TextSeq2SeqDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, tokens: Tensor, hidden: Tensor, valid: Tensor) -> Tensor:
        return self.decoder.decode(tokens, Memory(hidden, valid))


def session(module: nn.Module, inputs: tuple, shapes: tuple, path: Path):
    torch.onnx.export(
        module.eval(), inputs, path, dynamo=True, verbose=False, dynamic_shapes=shapes
    )
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(graph: onnxruntime.InferenceSession, *inputs: Tensor) -> list[Tensor]:
    names = [node.name for node in graph.get_inputs()]
    arrays = graph.run(None, {n: t.numpy() for n, t in zip(names, inputs, strict=True)})
    return [torch.from_numpy(array) for array in arrays]


@pytest.mark.slow
@pytest.mark.parametrize("family", KINDS)
@torch.no_grad()
def test_both_graphs_take_any_batch_length_and_text(family: str, tmp_path: Path) -> None:
    decoder = tiny_decoder(family, **KINDS[family])
    features, valid = clips([5, 7])
    encode = session(
        Encode(decoder), (features.float(), valid), ({0: BATCH, 1: FRAMES},) * 2,
        tmp_path / "encoder.onnx",
    )  # fmt: skip
    memory = (torch.randn(2, 6, WIDTH), torch.ones(2, 6).bool())
    decode = session(
        Decode(decoder), (torch.tensor([[1, 4, 5]] * 2), *memory),
        ({0: BATCH, 1: TEXT}, {0: BATCH, 1: SOURCE}, {0: BATCH, 1: SOURCE}),
        tmp_path / "decoder.onnx",
    )  # fmt: skip
    for lengths, tokens in ([3], [[1]]), ([9, 4, 11], [[1, 7, 8, 9]] * 3):
        features, valid = clips(lengths)
        expected = decoder.encode(features.float(), valid)
        hidden, hidden_valid = run(encode, features.float(), valid)
        torch.testing.assert_close(hidden, expected.hidden, rtol=1e-4, atol=1e-5)
        assert torch.equal(hidden_valid, expected.valid)
        logits = run(decode, torch.tensor(tokens), hidden, hidden_valid)[0]
        says = decoder.decode(torch.tensor(tokens), expected)
        torch.testing.assert_close(logits, says, rtol=1e-4, atol=1e-5)
