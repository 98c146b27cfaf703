"""Small untrained models that say many different things, and bundles of them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models

from slt_cli.data.tokenizer import SPECIAL, TextTokenizer
from slt_cli.export.bundle import PREPROCESS, TOKENIZER, write_manifest
from slt_cli.export.onnx import export_onnx
from slt_cli.export.preprocess import Preprocess
from slt_cli.models.translator import SltModel
from tests.models.small import POINTS, small_model

VOCABULARY = 40
GLOSSES = ("HOUSE", "BOOK", "SCHOOL", "DOG", "WATER", "TREE")


def talkative_model(*, family: str = "mbart", seed: int = 0, num_glosses: int = 6) -> SltModel:
    """Large random weights, so that outputs depend on the input and end at different lengths."""
    model = small_model(family=family, num_glosses=num_glosses, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            if weight.dim() > 1:
                noise = torch.randn(weight.shape, generator=generator)
                weight.copy_(2.0 * noise * weight.shape[-1] ** -0.5)
        if family == "mbart":
            model.decoder.model.final_logits_bias[0, 2] = 1.0 + seed % 3
    return model


def word_tokenizer() -> TextTokenizer:
    """One word per id, so that equal texts mean equal tokens."""
    words = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), VOCABULARY))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.decoder = decoders.Fuse()
    return TextTokenizer(tokenizer)


def small_preprocess(*, num_glosses: int = 6) -> Preprocess:
    """What fits `small_model`."""
    return Preprocess(
        layout="made", normalisation="signer", streams=("keypoints",), num_points=POINTS,
        sequence_length=40, image_size=32, pose_landmarks=4, glosses=GLOSSES[:num_glosses],
        bos_id=1, eos_id=2, pad_id=0, max_length=12, landmarks={"layout": "made"},
    )  # fmt: skip


def write_bundle(folder: Path, model: SltModel, preprocess: Preprocess) -> Path:
    """The files of a bundle, without the checks."""
    folder.mkdir(parents=True)
    export_onnx(model, preprocess, folder, opset=20)
    (folder / TOKENIZER).write_text(word_tokenizer().to_json(), "utf-8")
    (folder / PREPROCESS).write_text(preprocess.to_json(), "utf-8")
    write_manifest(folder, {})
    return folder
