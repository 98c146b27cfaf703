"""A folder of small coloured pictures, and a configuration that trains on it in a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slt_cli.pretraining.config import PretrainConfig

TINY = PretrainConfig(
    epochs=2, batch_size=4, warmup_epochs=1, image_size=16, local_size=8, local_crops=2,
    patch_size=8, vit_embed_dim=16, vit_depth=2, vit_heads=2, drop_path=0.2, prototypes=24,
    head_hidden=16, head_bottleneck=8, learning_rate=1e-2, teacher_momentum=0.9,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost more than they give on tensors this small, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny() -> PretrainConfig:
    return TINY


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Thirteen usable pictures: three batches of four, one left over."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "crops"
    folder.mkdir()
    paths = [folder / f"clip_f{i:06d}.png" for i in range(13)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
        coarse.resize((24, 20), Image.Resampling.BILINEAR).save(path)
    return paths
