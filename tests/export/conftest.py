"""Bundles are made once for all tests that only read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from slt_cli.models.translator import SltModel
from tests.export.small_bundle import small_preprocess, talkative_model, write_bundle


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def model() -> SltModel:
    """The model behind `bundle`."""
    return talkative_model(seed=1)


@pytest.fixture(scope="session")
def bundle(model: SltModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle on disk; tests that change it make a copy."""
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle", model, small_preprocess())
