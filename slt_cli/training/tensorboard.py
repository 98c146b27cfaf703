"""Events for TensorBoard: every figure of `metrics.jsonl` as a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slt_cli.errors import MissingAsset
from slt_cli.evaluation.training_report import SCORE_NAMES

_PLACES = {"epoch", "step"}  # they say where on the curve, and are no curves


class TensorBoard:
    """Writes to `RUN/tensorboard/`, which `tensorboard --logdir RUN` finds.

    A run that goes on after an earlier epoch replaces the later events. Raises `MissingAsset`
    without the package.
    """

    def __init__(self, run: Path, first_epoch: int = 1) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingAsset(
                f"training.tensorboard needs the package tensorboard ({error})",
                where="training.tensorboard",
                hint="pip install 'slt-cli[tensorboard]'",
            ) from error
        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=first_epoch)

    def __call__(self, record: dict[str, Any]) -> None:
        """Add the numbers of one epoch and flush them to the disk."""
        for name, value in record.items():
            if name not in _PLACES and isinstance(value, int | float):
                self._writer.add_scalar(_tag(name), value, record["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """End the thread that writes."""
        self._writer.close()


def _tag(name: str) -> str:
    """`loss_ctc` -> `loss_ctc/training`, `val_loss_ctc` -> `loss_ctc/validation`: one group."""
    validation = name.startswith("val_") or name in SCORE_NAMES
    return f"{name.removeprefix('val_')}/{'validation' if validation else 'training'}"
