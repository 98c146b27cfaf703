"""Decoding, scoring, translating, exporting, checking and the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slt_cli.settings.base import Section, setting


class EvalSettings(Section):
    """Which split is translated, how, and what is reported."""

    split: Literal["train", "val", "test"] = setting("test", "split to evaluate")
    beams: int = setting(4, "beam width; 1 is greedy", ge=1, le=64)
    length_penalty: float = setting(1.0, "exponent of the length in beam scores", ge=-5, le=5)
    batch_size: int = setting(
        16, "clips decoded together; scores do not depend on it", ge=1, le=4096
    )
    control: bool = setting(
        False, "also score each reference against another clip's translation (chance level)"
    )
    output_dir: Path | None = setting(
        None, "folder of predictions.csv and report.json; RUN/eval/SPLIT when not given", short="-o"
    )


class TranslateSettings(Section):
    """How `slt translate` finds its model and prints."""

    model: Path | None = setting(
        None, "run, checkpoint or exported bundle; the newest finished run when not given"
    )
    format: Literal["txt", "json"] = setting("txt", "one line of text, or one JSON line, per video")


class ExportSettings(Section):
    """The exported bundle and the check it must pass."""

    output: Path | None = setting(None, "bundle folder; exports/<run> when not given", short="-o")
    opset: int = setting(20, "ONNX operator set", ge=18, le=23)
    tolerance: float = setting(
        1e-4, "largest difference to the model, relative to its largest output", gt=0, le=1
    )
    overwrite: bool = setting(False, "replace an existing bundle")


class CheckSettings(Section):
    """When a check counts as failed."""

    fail_on: Literal["error", "warning"] = setting("error", "severity that makes the exit code 3")
    examples: int = setting(5, "examples shown per rule", ge=0, le=1000)


class DemoSettings(Section):
    """The synthetic corpus of `slt demo`."""

    output: Path = setting(
        Path("slt-demo"), "folder for videos, corpus, run and bundle", short="-o"
    )
    seed: int = setting(0, "seed of signers, sentences and training", ge=0, lt=2**31)
    num_train: int = setting(500, "training sentences", ge=8, le=100_000)
    num_val: int = setting(40, "validation sentences", ge=2, le=10_000)
    num_test: int = setting(60, "test sentences, all new combinations", ge=2, le=10_000)
    preset: str = setting("keypoints-small", "training preset", flag="--train-preset")
    epochs: int = setting(20, "training epochs", ge=1, le=100_000)
    overwrite: bool = setting(False, "delete and rebuild an existing demo folder")
