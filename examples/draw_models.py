"""Draw the models of docs/models.md: run them once, watch what happens, and write it as SVG.

python examples/draw_models.py                all pictures, into docs/pictures
python examples/draw_models.py --only mska    one of them
python examples/draw_models.py --sizes        print the table of the presets' sizes

Only title and note are written by hand: names, shapes, numbers and arrows are those of the run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from drawing.fold import folded
from drawing.presets import GLOSSES, one_clip, preset_model, sizes_table, with_memory
from drawing.svg import picture
from drawing.trace import trace
from torch import Tensor

from slt_cli.models.mska import block, encoder
from slt_cli.storage.atomic import write_text

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
FRAMES, TOKENS = 16, 10  # of the one clip that is run
CLASSES = GLOSSES + 1  # with the blank
KEYPOINT_STEPS = ("mska.stacks.*.input_map", "mska.stacks.*.blocks.*", "mska.heads.*", "mapper")
BACKBONE = "encoder.backbones.*"
CROP_STEPS = ("encoder.projectors.*", "encoder.fusion", "encoder.temporal")
DECODER_STEPS = (
    "decoder.model.model.encoder",
    "decoder.model.model.decoder",
    "decoder.model.lm_head",
)
ENSEMBLE = (encoder, "ensemble_log_probs")


def mska() -> str:
    """The keypoint network and the mapper as published."""
    model = preset_model("mska-paper-mbart")
    with_memory(model.mska)
    with_memory(model.mapper)
    streams, valid, frame_valid = one_clip("mska-paper-mbart", FRAMES)

    def run() -> dict[str, Tensor]:
        encoding = model.encode(streams, valid, frame_valid)
        return {"features for the decoder": encoding.features}

    steps = trace(run, model, inputs=streams, modules=KEYPOINT_STEPS, functions=[ENSEMBLE])
    return picture(
        steps, title="MSKA: preset mska-paper-mbart without its decoder", characters=32,
        note=f"One clip of {FRAMES} frames, {CLASSES:,} classes. Inputs B×T×V×C, in the stacks "
        "B×V×T×C, then B×T×C. A block's picture is beside this one.",
    )  # fmt: skip


def mska_block() -> str:
    """A block that halves the time and widens: the first of 256 channels in a hand stream."""
    model = preset_model("mska-paper-mbart")
    name = "mska.stacks.hand_right.blocks.4"
    module = with_memory(model.get_submodule(name))
    x = torch.rand(1, 27, FRAMES, module.out_residual.linear.in_features)
    presence = torch.ones(x.shape[:3])
    steps = trace(
        lambda: {"y": module(x, presence, None)}, module, inputs={"x": x},
        modules=["qk", "out.norm", "out_residual", "ff", "ff_residual", "temporal",
                 "temporal_residual"],
        functions=[(block, "joint_scores"), (block, "mix_joints")],
    )  # fmt: skip
    return picture(
        steps, title=f"One block: {name}", characters=34,
        note="B×V×T×C. Where no shape changes, x itself takes the place of the residual maps.",
    )  # fmt: skip


def signmusketeers() -> str:
    """The multi-stream encoder, with the layers of its backbones."""
    model = preset_model("signmusketeers")
    with_memory(model.encoder)
    streams, valid, frame_valid = one_clip("signmusketeers", FRAMES)
    steps = trace(
        lambda: {"features": model.encoder(streams, valid, frame_valid)}, model, inputs=streams,
        modules=[*(f"{BACKBONE}.{part}" for part in ("patch_embed", "blocks.*", "norm")),
                 *CROP_STEPS],
    )  # fmt: skip
    return picture(
        folded(steps), title="Multi-stream encoder: preset signmusketeers", characters=35,
        note=f"One clip of {FRAMES} frames. Frames are the batch of a backbone: "
        "N×3×H×W, patches N×h×w×D, tokens N×L×D; then B×T×D.",
    )  # fmt: skip


def translator() -> str:
    """All streams and the text decoder."""
    model = preset_model("multistream-base")
    with_memory(model)
    streams, valid, frame_valid = one_clip("multistream-base", FRAMES)
    labels = torch.ones(1, TOKENS, dtype=torch.long)

    def run() -> dict[str, Tensor]:
        return {"text logits": model(streams, valid, frame_valid, labels).text_logits}

    steps = trace(
        run, model, inputs={**streams, "labels": labels}, functions=[ENSEMBLE],
        modules=["mska.stacks.*", "mska.heads.*", "mapper", BACKBONE, *CROP_STEPS, *DECODER_STEPS],
    )  # fmt: skip
    return picture(
        steps, title="The whole translator: preset multistream-base", characters=15,
        note=f"One clip of {FRAMES} frames, {TOKENS} text tokens of 8,000, {CLASSES:,} classes.",
    )  # fmt: skip


PICTURES = {
    "mska": mska, "mska-block": mska_block, "signmusketeers": signmusketeers,
    "translator": translator,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PICTURES)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--sizes", action="store_true", help="print the table of sizes only")
    args = parser.parse_args()
    if args.sizes:
        print(sizes_table(), end="")
        return
    args.output.mkdir(parents=True, exist_ok=True)
    for name in [args.only] if args.only else PICTURES:
        path = args.output / f"{name}.svg"
        write_text(path, PICTURES[name]())
        print(path)


if __name__ == "__main__":
    main()
