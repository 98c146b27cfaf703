"""Decoding, scoring, translating, exporting, checking and the demonstration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from slt_cli.settings.base import Section, setting

_Share = Annotated[float, Field(ge=0, le=1)]


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

    output: Path | None = setting(
        None,
        "bundle folder, state file or folder of .pose files; exports/<run> when not given",
        short="-o",
    )
    opset: int = setting(20, "ONNX operator set", ge=18, le=23)
    tolerance: float = setting(
        1e-4, "largest difference to the model, relative to its largest output", gt=0, le=1
    )
    overwrite: bool = setting(False, "replace what is there")


class CheckSettings(Section):
    """What is checked, when a check counts as failed, and what is written besides the verdict."""

    fail_on: Literal["error", "warning"] = setting("error", "severity that makes the exit code 3")
    examples: int = setting(5, "examples shown per rule", ge=0, le=1000)
    html: Path | None = setting(None, "also write a report with pictures to this .html file")
    columns: str | None = setting(
        None, "column map of a table: a known name or a .toml file; told from the header if unset"
    )
    tokenizer: Path | None = setting(
        None, "tokenizer file or folder, to find texts too long for the decoder or unknown to it"
    )
    max_target_length: int = setting(64, "longest target text in tokens", ge=4, le=1024)
    temporal_stride: int = setting(
        4, "frames per step of the gloss heads, for the CTC rule", ge=1, le=64
    )
    min_coverage: float = setting(
        0.1, "share of frames with a hand below which a clip is reported", ge=0, le=1
    )
    duration_threshold: float = setting(
        5.0,
        "clips whose duration differs from the median by this factor are outliers",
        gt=1,
        le=1e6,
    )
    delta_threshold: float = setting(
        5.0, "seconds to the clip before or after from which prev_delta/post_delta are outliers",
        gt=0, le=1e6,
    )  # fmt: skip
    fail_on_outliers: bool = setting(False, "outliers make the exit code 3")
    fix: Path | None = setting(None, "write the repaired table here, and FILE.repairs.jsonl")
    emit_split_json: bool = setting(
        False, "write split_segments.jsonl: the pieces inside each clip of an LSA-T table"
    )
    make_splits: bool = setting(
        False, "write index/train.csv, val.csv and test.csv, no video in two of them"
    )
    split_ratios: tuple[_Share, _Share, _Share] = setting(
        (0.8, 0.1, 0.1), "shares of train, val and test for make_splits"
    )
    seed: int = setting(0, "seed of make_splits", ge=0, lt=2**31)
    output_dir: Path | None = setting(
        None, "folder of meta_missing.csv, meta_outliers.csv and the splits; "
        "beside the table when not given", short="-o",
    )  # fmt: skip
    overwrite: bool = setting(False, "replace files that are already there")
    reference: Path | None = setting(
        None, "metrics of a run to compare with (metrics.jsonl, report.json or a JSON object)"
    )
    tolerance: float = setting(
        0.05, "largest relative difference to the reference metrics", ge=0, le=10
    )

    def contradictions(self) -> Iterator[str]:
        """Shares that are no shares."""
        if abs(sum(self.split_ratios) - 1) > 1e-6:
            yield "split_ratios must be three shares that add up to 1"


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
    epochs: int = setting(15, "training epochs", ge=1, le=100_000)
    overwrite: bool = setting(False, "delete and rebuild an existing demo folder")
