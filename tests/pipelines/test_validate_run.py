"""Checking the files of a run: each rule broken once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slt_cli.errors import InputError
from slt_cli.pipelines.result import Result, silent
from slt_cli.pipelines.validation.run import RUN_RULES, validate_checkpoint, validate_run
from slt_cli.settings.evaluate import CheckSettings
from slt_cli.storage.checkpoint import save_checkpoint
from slt_cli.training.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of one epoch."""
    folder = RunFolder(tmp_path / "run")
    progress = {"epoch": 1, "step": 4, "sums": {"loss": 1.0}}
    folder.save({"kind": "other", "version": "1", "progress": progress}, best=True)
    folder.write_config({"settings": {}})
    folder.log_epoch({"epoch": 1, "loss": 1.0})
    folder.finish("completed")
    return folder.path


def check(run: Path, **settings: object) -> Result:
    return validate_run(run, CheckSettings.model_validate(settings), silent)


def broken(result: Result) -> dict[str, list[str]]:
    return {finding["rule"]: finding["examples"] for finding in result.facts["findings"]}


def without_artifacts(run: Path, change: Callable[[], object]) -> None:
    """Change a file as if the run itself had written it so."""
    change()
    RunFolder(run).finish("completed")


BREAKAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "R001": (
        lambda run: without_artifacts(run, lambda: (run / "best.pt").write_bytes(b"PK\3\4")),
        "best.pt: damaged or incomplete checkpoint",
    ),
    "R002": (
        lambda run: without_artifacts(run, lambda: [p.unlink() for p in run.glob("*.pt")]), "run"
    ),
    "R003": (lambda run: (run / "samples.txt").write_text("x"), "samples.txt: another sha256"),
    "R004": (
        lambda run: without_artifacts(run, lambda: (run / "config.json").write_text("[]")),
        "config.json: not what slt train writes",
    ),
    "R005": (
        lambda run: without_artifacts(
            run, lambda: (run / "metrics.jsonl").write_text('{"epoch": 1, "loss": NaN}\n')),
        "epoch 1: loss",
    ),
    "R006": (lambda run: RunFolder(run).finish("interrupted"), "interrupted"),
}  # fmt: skip


def test_a_finished_run_has_no_findings(run: Path) -> None:
    result = check(run)
    assert (result.exit_code, broken(result)) == (0, {})
    assert result.facts["checkpoints"]["best.pt"] == {
        "kind": "other", "version": "1", "progress": {"epoch": 1, "step": 4},
    }  # fmt: skip


@pytest.mark.parametrize("rule", [rule.id for rule in RUN_RULES])
def test_each_rule_is_broken_alone(run: Path, rule: str) -> None:
    (run / "samples.txt").write_text("as it was")
    RunFolder(run).finish("completed")
    breakage, says = BREAKAGES[rule]
    breakage(run)
    result = check(run)
    assert broken(result).keys() == {rule}
    assert says in broken(result)[rule][0]
    assert result.exit_code == (0 if rule == "R006" else 3)


def test_a_run_that_was_not_completed_fails_when_warnings_count(run: Path) -> None:
    (run / "artifacts.json").unlink()
    assert broken(check(run)) == {"R006": ["running (or killed)"]}
    assert check(run, fail_on="warning").exit_code == 3


def test_a_file_that_vanished_is_named(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    assert broken(check(run)) == {"R003": ["metrics.jsonl: missing"]}


def test_weights_of_others_pass_and_hostile_ones_do_not(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "weights.pt", {"w": 1})
    assert validate_checkpoint(tmp_path / "weights.pt").text.endswith("weights.pt  weights")
    (tmp_path / "bad.pt").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(InputError, match="damaged"):
        validate_checkpoint(tmp_path / "bad.pt")


def test_settings_of_another_version_are_bad_input(tmp_path: Path) -> None:
    payload = {"kind": "translator", "version": "0.0.1", "settings": {"model": {"gone": 1}}}
    save_checkpoint(tmp_path / "old.pt", payload)
    with pytest.raises(InputError, match=r"model\.gone.*slt 0\.0\.1"):
        validate_checkpoint(tmp_path / "old.pt")


SHAPE = {"num_glosses": 3, "num_points": {"body": 5}, "pose_dim": 0, "backbones": {}}


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        ({"shape": SHAPE}, "decoder"),
        ({"decoder": {}}, "shape"),
        ({"decoder": {}, "shape": {**SHAPE, "gloss_dim": 8}}, "shape"),
    ],
)
def test_a_model_of_another_version_is_bad_input(
    tmp_path: Path, kept: dict[str, object], named: str
) -> None:
    payload = {"kind": "translator", "version": "0.0.1", "settings": {}, **kept}
    save_checkpoint(tmp_path / "old.pt", payload)
    with pytest.raises(InputError, match=rf"\({named}\).*slt 0\.0\.1"):
        validate_checkpoint(tmp_path / "old.pt")


def test_json_figures_are_plain_values(run: Path) -> None:
    json.dumps(check(run).as_dict(), allow_nan=False)
