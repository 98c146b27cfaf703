"""Older spellings of flags: what `slt train` makes of them, and what other commands say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slt_cli.cli.main import join_set_pairs, run

CROPS = ["--streams", "keypoints,pose,face,hand_left,hand_right"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]):
    """Settings that `slt train ARGS --dry-run` would train with, without a corpus."""

    def call(*args: str) -> dict[str, Any]:
        code = run(join_set_pairs(["train", *args, "--dry-run", "--json"]))
        said = json.loads(capsys.readouterr().out)
        assert code == 0, said["errors"]
        return {key: entry["value"] for key, entry in said["facts"]["settings"].items()}

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]):
    """What `slt ARGS` says when it exits with 2."""

    def call(*args: str) -> str:
        assert run(list(args)) == 2
        return capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("args", "key", "value"),
    [
        (["--scheduler", "steplr"], "optim.scheduler", "step"),
        (["--precision", "amp"], "training.precision", "bf16"),
        (["--precision", "float32"], "training.precision", "fp32"),
        (["--optimizer", "AdamW"], "optim.optimizer", "adamw"),
        (["--mska-no-sgr"], "model.mska_use_sgr", False),
        (["--mska-use-sgr"], "model.mska_use_sgr", True),
        (["--mska-sgr-per-stream"], "model.mska_sgr_shared", False),
        (["--mska-sgr-activation", "linear"], "model.mska_sgr_activation", "identity"),
        (["--mska-sgr-activation", "none"], "model.mska_sgr_activation", "identity"),
        ([*CROPS, "--mix-stream", "face:0.5", "--mix-stream", "hand-left"], "data.mix_streams",
         {"face": 0.5, "hand_left": 1.0}),
        ([*CROPS, "--set", "data.mix_streams", "pose:0.1,hand_right"], "data.mix_streams",
         {"pose": 0.1, "hand_right": 1.0}),
        ([*CROPS, "--mix-stream", '{"face": 0.5}'], "data.mix_streams", {"face": 0.5}),
        (["--keypoint-translate-range", "-0.05,0.05"], "data.keypoint_translate_range",
         [-0.05, 0.05]),
        (["--keypoint-translate-range", "-0.1,0.1,-0.2,0.2"], "data.keypoint_translate_range",
         [-0.1, 0.1, -0.2, 0.2]),
        (["--set", "data.keypoint_rotate_range", "-15,15"], "data.keypoint_rotate_range",
         [-15, 15]),
        (["--set", "optim.scheduler", "steplr"], "optim.scheduler", "step"),
        (["--decoder-model", "mbart-large", "--d-model", "1024"], "model.decoder_model",
         "mbart-large"),
        (["--decoder-preset", "tiny_cpu"], "model.d_model", 48),
        (["--decoder-prompt-tokens", "4,5,6"], "model.decoder_prompt_init", "tokens"),
    ],
)  # fmt: skip
def test_an_older_spelling_means_what_it_meant(plan, args, key, value) -> None:
    assert plan(*args)[key] == value


def test_preset_and_decoder_preset_are_one_option(plan) -> None:
    assert plan("--decoder-preset", "mska_paper_mbart") == plan("--preset", "mska-paper-mbart")


@pytest.mark.parametrize(
    ("args", "fragments"),
    [
        (["--mix-stream", "face:1.5"], ["probability of face", "from 0 to 1", "1.5"]),
        (["--mix-stream", "face:-0.1"], ["probability of face", "-0.1"]),
        (["--mix-stream", "face:often"], ["probability of face", "often"]),
        (["--mix-stream", "face:nan"], ["probability of face", "nan"]),
        (["--mix-stream", "feet"], ["'face', 'hand_left', 'hand_right' or 'pose'"]),
        (["--no-use-mska"], ["without keypoints there is no stream left", "--use-mska"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(refused, args, fragments) -> None:
    said = refused("train", *args, "--dry-run")
    assert all(fragment in said for fragment in fragments)


@pytest.mark.parametrize(
    "command", [("eval", "run"), ("export", "onnx", "run"), ("export", "backbone", "run")]
)
def test_commands_that_read_a_run_refuse_the_flags_that_shape_one(refused, command) -> None:
    said = refused(*command, "--use-mska", "--mska-heads=4")
    assert "--use-mska, --mska-heads are read from the checkpoint, drop them" in said
    assert f"slt {' '.join(command[:-1])} --help" in said
    said = refused(*command, "--keypoint-scale-range", "0.9,1.1")
    assert "--keypoint-scale-range is read from the checkpoint, drop it" in said


def test_flags_that_nothing_knows_are_still_typing_mistakes(refused) -> None:
    assert "No such option: --mska-haeds" in refused("eval", "run", "--mska-haeds", "4")
