"""A run: it continues to the bit, refuses what is not its own, and says what it did."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from slt_cli.errors import Diverged, InputError, Interrupted, UsageError
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.loop import BEST, LAST, pretrain
from slt_cli.storage.atomic import append_jsonl, read_jsonl
from slt_cli.storage.checkpoint import load_checkpoint

CLOCK = {"time_s", "images_per_s"}


def quiet(event: str, **facts: Any) -> None:
    pass


def never() -> None:
    return None


def after(polls: int) -> Callable[[], int | None]:
    """A stop request that arrives at the given poll; the first one belongs to the image check."""
    seen = iter(range(1, 10_000))
    return lambda: signal.SIGTERM if next(seen) >= polls else None


def metrics(out: Path) -> list[dict[str, Any]]:
    records = read_jsonl(out / "metrics.jsonl")
    return [{k: v for k, v in record.items() if k not in CLOCK} for record in records]


def assert_same_state(ours: Any, theirs: Any, where: str = "") -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours:
            assert_same_state(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), where
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same_state(*pair, f"{where}[{number}]")
    elif isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), where
    else:
        assert ours == theirs, where


@pytest.fixture
def uninterrupted(tmp_path: Path, pictures: list[Path], tiny: PretrainConfig) -> Path:
    pretrain(pictures, tmp_path / "whole", tiny, quiet, never)
    return tmp_path / "whole"


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_a_stopped_run_continues_to_the_same_bits(
    uninterrupted: Path, tmp_path: Path, pictures: list[Path], tiny: PretrainConfig, steps: int
) -> None:
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted) as caught:
        pretrain(pictures, out, tiny, quiet, after(steps + 1))
    assert caught.value.exit_code == 143
    assert load_checkpoint(out / LAST)["progress"]["step"] == steps
    torch.manual_seed(999)  # whatever happened to the random state meanwhile
    pretrain(pictures, out, tiny, quiet, never, resume=True)
    for name in (LAST, BEST):
        assert_same_state(load_checkpoint(out / name), load_checkpoint(uninterrupted / name))
    assert metrics(out) == metrics(uninterrupted)


def test_workers_give_the_same_run(
    uninterrupted: Path, tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    pretrain(pictures, tmp_path / "workers", replace(tiny, num_workers=2), quiet, never)
    assert metrics(tmp_path / "workers") == metrics(uninterrupted)


def test_another_seed_gives_another_run(
    uninterrupted: Path, tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    pretrain(pictures, tmp_path / "other", replace(tiny, seed=1), quiet, never)
    assert metrics(tmp_path / "other")[0]["loss"] != metrics(uninterrupted)[0]["loss"]


def test_every_epoch_is_logged_once_even_after_a_crash(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        pretrain(pictures, out, tiny, quiet, after(3))
    append_jsonl(out / "metrics.jsonl", {"epoch": 1, "loss": -1.0})  # logged, then killed
    pretrain(pictures, out, tiny, quiet, never, resume=True)
    records = read_jsonl(out / "metrics.jsonl")
    assert [record["epoch"] for record in records] == [1, 2]
    assert all(record["loss"] > 0 for record in records)
    expected = {"loss", "teacher_entropy", "feature_std", "lr", "teacher_temp", "images_per_s"}
    assert expected <= records[0].keys()


def test_the_summary_counts_what_was_left_out(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    broken, black = tmp_path / "crops" / "x.png", tmp_path / "crops" / "y.png"
    broken.write_bytes(b"no")
    from PIL import Image

    Image.new("RGB", (8, 8)).save(black)
    summary = pretrain([*pictures, broken, black], tmp_path / "run", tiny, quiet, never)
    assert (summary["images"], summary["unreadable"], summary["missing"]) == (13, 1, 1)
    assert (summary["epochs"], summary["steps"]) == (2, 6)
    assert summary["backbone"] == f"file::{tmp_path / 'run' / 'backbone.pt'}:custom"
    losses = [record["loss"] for record in read_jsonl(tmp_path / "run" / "metrics.jsonl")]
    assert summary["minimum_loss"] == min(losses)
    json.dumps(summary, allow_nan=False)


def test_the_best_checkpoint_is_that_of_the_lowest_loss(uninterrupted: Path) -> None:
    losses = [record["loss"] for record in metrics(uninterrupted)]
    best = load_checkpoint(uninterrupted / BEST)["progress"]
    assert best["epoch"] == 1 + losses.index(min(losses))
    assert best["best"] == min(losses)


def test_resuming_a_finished_run_only_writes_the_backbone_again(
    uninterrupted: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    before = (uninterrupted / LAST).read_bytes()
    (uninterrupted / "backbone.pt").unlink()
    summary = pretrain(pictures, uninterrupted, tiny, quiet, never, resume=True)
    assert summary["steps"] == 6
    assert (uninterrupted / LAST).read_bytes() == before
    assert (uninterrupted / "backbone.pt").is_file()


def test_a_used_folder_is_not_overwritten(
    uninterrupted: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    with pytest.raises(UsageError, match="already holds a run"):
        pretrain(pictures, uninterrupted, tiny, quiet, never)


def test_resume_refuses_other_settings_and_names_them(
    uninterrupted: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    changed = replace(tiny, learning_rate=0.5, device="cpu", num_workers=1)
    with pytest.raises(UsageError, match=r"learning_rate: 0\.01 -> 0\.5$"):
        pretrain(pictures, uninterrupted, changed, quiet, never, resume=True)


def test_resume_refuses_other_images(
    uninterrupted: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    with pytest.raises(InputError, match="then 13, now 12"):
        pretrain(pictures[1:], uninterrupted, tiny, quiet, never, resume=True)


def test_resume_needs_a_checkpoint_of_this_verb(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        pretrain(pictures, tmp_path / "new", tiny, quiet, never, resume=True)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / LAST).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="damaged"):
        pretrain(pictures, tmp_path / "torn", tiny, quiet, never, resume=True)


def test_too_few_images_are_refused_before_anything_is_written(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    with pytest.raises(InputError, match="3 usable images do not fill a batch of 4") as caught:
        pretrain(pictures[:3], tmp_path / "run", tiny, quiet, never)
    assert "--batch-size 3" in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_divergence_stops_the_run_and_keeps_the_good_checkpoint(
    tmp_path: Path, pictures: list[Path], tiny: PretrainConfig
) -> None:
    wild = replace(tiny, learning_rate=1e38, epochs=3)  # reached at the end of the first epoch
    with pytest.raises(Diverged) as caught:
        pretrain(pictures, tmp_path / "run", wild, quiet, never)
    assert caught.value.exit_code == 8
    assert not (tmp_path / "run" / "backbone.pt").exists()
