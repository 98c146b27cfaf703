"""Compare the vision transformers with published numbers and with the transformers library.

python examples/benchmarks/vit_parity.py ../shared/data/reference_numbers
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from record import record
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for the names of the library

from slt_cli.models.backbones import VIT_MODELS, build_vit
from slt_cli.models.vit import VisionTransformer
from tests.models.transformers_dinov2 import as_transformers_model

COMMAND = "python examples/benchmarks/vit_parity.py ../shared/data/reference_numbers"
TOLERANCE = 1e-5
TOKENS = {"cls": "clstoken", "registers": "regtokens", "patches": "patchtokens"}
COUNTS = {"dinov2_vits14": "plain", "dinov2_vits14_reg": "reg4"}
Row = tuple[str, str, object]


def main() -> None:
    folder = Path(sys.argv[1])
    rows = [*counts(folder), *published(folder), *transformers()]
    print(record("Parity of the vision transformers", COMMAND,
                 ["what", "tolerance", "value"], rows))  # fmt: skip
    wrong = [row for row in rows if not (row[1] == "exact" or float(str(row[2])) <= TOLERANCE)]
    sys.exit(f"beyond the tolerance: {wrong}" if wrong else 0)


def counts(folder: Path) -> list[Row]:
    """Tensors and parameters at full size; exits when they are not the published ones."""
    expected = json.loads((folder / "vit_s14_counts.json").read_text("utf-8"))
    rows: list[Row] = []
    for model, key in COUNTS.items():
        with torch.device("meta"):
            state = build_vit(model).state_dict()
        found = {"tensors": len(state), "parameters": sum(t.numel() for t in state.values())}
        if found != expected[key]:
            sys.exit(f"{model}: {found}, published {expected[key]}")
        rows.append(
            (f"{model}: tensors, parameters", "exact", "{tensors}, {parameters:,}".format(**found))
        )
    return rows  # fmt: skip


def published(folder: Path) -> list[Row]:
    """Largest difference to tokens and position tables of the published code."""
    numbers = np.load(folder / "vit_tiny_outputs.npz")
    weights = {
        name: torch.from_numpy(array)
        for name, array in np.load(folder / "vit_tiny_weights.npz").items()
    }
    rows: list[Row] = []
    for variant, registers in (("plain", 0), ("reg4", 4)):
        vit = VisionTransformer(
            image_size=518, patch_size=14, embed_dim=64, depth=3, num_heads=4,
            num_registers=registers, interpolate="antialias" if registers else "scale_offset",
        ).eval()  # fmt: skip
        vit.load_state_dict({n: t for n, t in weights.items() if n in vit.state_dict()})
        for size in (224, 98):
            for masking in ("nomask", "masked"):
                rows.append(_tokens(vit, numbers, variant, size, masking))
            table = vit.position_table(size // 14, size // 14).detach()
            value = _relative(table, numbers[f"{variant}.{size}.position_table"])
            rows.append((f"published, {variant}, {size} px: position table", _tolerance(), value))
    return rows


def _tokens(
    vit: VisionTransformer, numbers: np.lib.npyio.NpzFile, variant: str, size: int, masking: str
) -> Row:
    pixels = torch.from_numpy(numbers[f"image_{size}"]).float() / 127.5 - 1
    mask = torch.from_numpy(numbers[f"mask_{size}"]) if masking == "masked" else None
    with torch.no_grad():
        output = vit(pixels, mask)
    worst = max(
        _relative(getattr(output, ours), numbers[f"{variant}.{size}.{masking}.x_norm_{theirs}"])
        for ours, theirs in TOKENS.items()
        if getattr(output, ours).numel()
    )
    return f"published, {variant}, {size} px, {masking}: all tokens", _tolerance(), worst


def transformers() -> list[Row]:
    """Largest difference to the transformers library at full size, with the same random weights.

    Without registers it interpolates positions in another way than the published code, so that
    model is compared at the size of its table.
    """
    rows: list[Row] = []
    for model in COUNTS:
        torch.manual_seed(0)
        side = 224 if VIT_MODELS[model]["num_registers"] else 518
        vit = build_vit(model).eval()
        for name, parameter in vit.named_parameters():
            if name.endswith("gamma"):  # near zero at the start, which would hide the blocks
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        pixels = torch.randn(1, 3, side, side)
        with torch.no_grad():
            ours = vit(pixels)
            theirs = as_transformers_model(vit)(pixels).last_hidden_state.numpy()
        tokens = torch.cat([ours.cls[:, None], ours.registers, ours.patches], dim=1)
        rows.append(
            (
                f"transformers, {model}, {side} px: all tokens",
                _tolerance(),
                _relative(tokens, theirs),
            )
        )
    return rows  # fmt: skip


def _relative(ours: Tensor, theirs: npt.NDArray[np.float32]) -> float:
    return float(np.abs(ours.numpy() - theirs).max() / np.abs(theirs).max())


def _tolerance() -> str:
    return f"{TOLERANCE:g} of the largest value"


if __name__ == "__main__":
    main()
