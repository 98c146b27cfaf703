"""Small videos, a corpus and a trained run, made once by the commands themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt_cli.synthetic.dataset import render_clip
from tests.cli.run_slt import json_object, slt
from tests.corpora import write_corpus

SIGNER = "ana"
SMALL = (
    "--preset", "tiny-cpu", "--epochs", "1", "--generate-every", "1", "--d-model", "16",
    "--max-target-length", "8", "--sequence-length", "12",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A working folder in which every command has been run once."""

    root: Path
    videos: Path
    extract: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]
    export: dict[str, Any]


def make_videos(folder: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    """Videos of one or two seconds with landmarks beside them."""
    for number, name in enumerate(names):
        render_clip(folder / f"{name}.mp4", ["CASA"], SIGNER, number)
    return folder


def make_world(root: Path) -> World:
    """Extract two videos; train, evaluate and export on a made corpus: all by bare commands."""
    videos = make_videos(root / "videos")
    extract = slt(
        "extract", "videos", "-o", "clips", "--estimator", "synthetic", "--crop-size", "32",
        "--json", cwd=root,
    )  # fmt: skip
    write_corpus(root / "corpus", train=4, val=2, test=2)
    train = slt("train", *SMALL, "--json", cwd=root)
    evaluate = slt("eval", "--split", "val", "--json", cwd=root)
    export = slt("export", "onnx", "--json", cwd=root)
    for done in (extract, train, evaluate, export):
        assert done.returncode == 0, done.stderr
    return World(root, videos, *map(json_object, (extract, train, evaluate, export)))
