"""Comparison with reference numbers: asserted, and noted for the table in docs/measurements.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Record = Callable[[str, object], None]  # pytest's `record_property`


def numbers(real_data: Path, name: str) -> dict[str, Tensor]:
    """All arrays of one file of reference numbers, as tensors."""
    with np.load(real_data / "reference_numbers" / name) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def check_close(
    record: Record, what: str, found: Tensor, expected: Tensor, tolerance: float
) -> None:
    """max |found - expected| <= tolerance * max |expected|, and the same shape."""
    assert found.shape == expected.shape, f"{what}: {tuple(found.shape)}"
    error = (found - expected).abs().max().item() / max(expected.abs().max().item(), 1e-30)
    note(record, what, f"{tolerance:.0e}", f"{error:.1e}")
    assert error <= tolerance, f"{what}: {error:.2e} above {tolerance:.0e}"


def check_equal(record: Record, what: str, found: object, expected: object) -> None:
    """The same count, shape or index."""
    note(record, what, "equal", str(found))
    assert found == expected, what


def note(record: Record, what: str, tolerance: str, value: str) -> None:
    """Leave one row of the table with pytest, for whoever asked for a report of the run."""
    record("parity", json.dumps([what, tolerance, value]))
