from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from slt_cli.errors import MissingAsset
from slt_cli.training.tensorboard import TensorBoard


class FakeWriter:
    """What the test needs of `SummaryWriter`."""

    made: ClassVar[list[FakeWriter]] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.flushed: list[int] = []
        self.made.append(self)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.append((tag, value, step))

    def flush(self) -> None:
        self.flushed.append(len(self.scalars))


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> type[FakeWriter]:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(FakeWriter, "made", [])
    return FakeWriter


def test_every_number_of_an_epoch_becomes_a_point_in_the_group_of_its_name(
    writer: type[FakeWriter], tmp_path: Path
) -> None:
    board = TensorBoard(tmp_path, first_epoch=3)
    board({"epoch": 3, "step": 12, "loss_ctc": 2.0, "val_loss_ctc": 2.5, "bleu": 7, "wer": None})
    (made,) = writer.made
    assert (made.folder, made.purge_step) == (str(tmp_path / "tensorboard"), 3)
    assert made.scalars == [
        ("loss_ctc/training", 2.0, 3), ("loss_ctc/validation", 2.5, 3), ("bleu/validation", 7, 3),
    ]  # fmt: skip
    assert made.flushed == [3]  # a run that is killed keeps the points of its epochs


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingAsset) as caught:
        TensorBoard(tmp_path)
    assert caught.value.hint == "pip install 'slt-cli[tensorboard]'"
    assert caught.value.exit_code == 5


def test_the_extra_that_is_named_exists() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["name"] == "slt-cli"
    assert "tensorboard" in project["project"]["optional-dependencies"]


def test_tensorboard_is_not_imported_before_it_is_asked_for() -> None:
    import subprocess

    code = "import slt_cli.training.tensorboard, sys; print('tensorboard' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_events_can_be_read_back_where_the_package_is(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoard(tmp_path)
    board({"epoch": 1, "loss": 0.5})
    board.close()
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss/training")] == [(1, 0.5)]
