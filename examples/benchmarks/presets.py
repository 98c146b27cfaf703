"""Size and cost of every training preset: parameters, a step, a forward pass.

python examples/benchmarks/presets.py [--only PRESET]

The corpus is made up: 1,084 glosses, as PHOENIX-2014T has, a vocabulary of the preset's size,
random streams. Weights are random. Each preset runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from record import record
from tokenizers import Tokenizer, decoders, models
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from slt_cli.data.tokenizer import SPECIAL, TextTokenizer
from slt_cli.models.translator import SltModel
from slt_cli.settings.load import load_settings
from slt_cli.settings.preset_files import list_presets
from slt_cli.training.loop import compute_losses, parameter_counts
from slt_cli.training.optim import build_adamw
from tests.builders.made_up import inputs_of, loop_config, made_up_batch, made_up_model

GLOSSES = 1084
STEPS, STEP_FRAMES, CLIP_FRAMES, TOKENS = 3, 8, 128, 20
PARTS = ("mska", "encoder", "decoder")
Shape = tuple[int, ...]


def main() -> None:
    names = [preset.name for preset in list_presets("train")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=names, help="measure this preset and print JSON")
    only = parser.parse_args().only
    print(json.dumps(measure(only)) if only else table(names))


def table(names: list[str]) -> str:
    found = {}
    for name in names:
        command = [sys.executable, __file__, "--only", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout)
        print(name, found[name], file=sys.stderr)
    rows = [
        [
            name, *(f"{one['parameters'].get(part, 0):,}" for part in PARTS),
            f"{one['parameters']['trained']:,}", one["step_s"], round(one["step_mib"]),
            f"{one['gflops']:.4g} ({one['frames']})",
        ]
        for name, one in found.items()
    ]  # fmt: skip
    columns = [
        "preset", *(f"parameters: {part}" for part in PARTS), "trained, all parts",
        f"s, a training step of one clip of {STEP_FRAMES} frames, median of {STEPS}",
        "its peak MiB",
        f"GFLOPs forward (frames), text of {TOKENS} tokens",
    ]  # fmt: skip
    return record("Presets", "python examples/benchmarks/presets.py", columns, rows)


def measure(name: str) -> dict[str, Any]:
    """Training steps, of which the first does not count, and a forward pass."""
    torch.manual_seed(0)
    settings = load_settings(preset=name).settings
    tokenizer = words(settings.model.vocab_size)
    model, shape = made_up_model(settings, tokenizer, num_glosses=GLOSSES)
    inputs = inputs_of(settings, shape, tokenizer)
    optimizer = build_adamw(model, lr=settings.optim.lr, weight_decay=settings.optim.weight_decay)
    batch = made_up_batch(inputs, tokenizer, clips=1, frames=STEP_FRAMES, tokens=TOKENS)
    seconds = []
    for _ in range(1 + STEPS):
        started = time.perf_counter()
        optimizer.zero_grad()
        compute_losses(model.train(), batch, loop_config(settings))["loss"].backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    step_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    del optimizer
    model.zero_grad()
    frames = min(CLIP_FRAMES, settings.model.sequence_length)
    clip = made_up_batch(inputs, tokenizer, clips=1, frames=frames, tokens=TOKENS)
    flops = forward_flops(model.eval(), clip)
    del clip
    return {
        "parameters": parameter_counts(model), "step_s": statistics.median(seconds[1:]),
        "step_mib": step_mib, "frames": frames, "gflops": flops / 1e9,
    }  # fmt: skip


def forward_flops(model: SltModel, batch: Any) -> int:
    """Operations of matrix products, convolutions and attention; multiply and add are two."""
    uncounted = {  # by the counter itself: products in place, attention on the CPU
        torch.ops.aten.addmm_: _product,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    }
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=uncounted) as counter:
        model(batch.streams, batch.valid, batch.frame_valid, batch.labels)
    return counter.get_total_flops()


def _product(_: Shape, left: Shape, right: Shape, **__: Any) -> int:
    return 2 * math.prod(left) * right[-1]


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def words(count: int) -> TextTokenizer:
    """A vocabulary of that size."""
    pieces = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), count))]
    tokenizer = Tokenizer(
        models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>")
    )
    tokenizer.decoder = decoders.Fuse()
    return TextTokenizer(tokenizer)


if __name__ == "__main__":
    main()
