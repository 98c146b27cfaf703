"""Photos of signed digits: what is learnt without labels must serve people never seen."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from slt_cli.builders import load_dinov2_backbone
from slt_cli.models.backbones import PIXEL_MEAN, PIXEL_STD
from slt_cli.models.vit import VisionTransformer
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.images import find_images, read_image
from slt_cli.pretraining.loop import pretrain

CONFIG = PretrainConfig(
    epochs=18, batch_size=32, warmup_epochs=2, learning_rate=1.5e-3, weight_decay_end=0.04,
    image_size=40, local_size=24, local_crops=4, global_scale=(0.5, 1.0), local_scale=(0.2, 0.5),
    patch_size=8, vit_embed_dim=96, vit_depth=3, vit_heads=3, drop_path=0.0,
    prototypes=1024, head_hidden=256, head_bottleneck=64, koleo_weight=0.5,
    teacher_temp=0.03, teacher_temp_start=0.03, teacher_momentum=0.98,
)  # fmt: skip


def quiet(event: str, **facts: Any) -> None:
    pass


@pytest.fixture(scope="module")
def photos(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], list[Path]]:
    """Photos of three quarters of the people and of the others; file numbers follow the people."""
    folder = tmp_path_factory.mktemp("digits")
    with tarfile.open(real_data / "hands_digits" / "sign_language_digits_images.tar") as archive:
        archive.extractall(folder, filter="data")
    ordered = sorted(find_images([folder]), key=lambda path: int(path.stem.removeprefix("IMG_")))
    assert len(ordered) == 2062
    cut = len(ordered) * 3 // 4
    return ordered[:cut], ordered[cut:]


def features(vit: VisionTransformer, paths: list[Path]) -> Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    rows = []
    for start in range(0, len(paths), 64):
        images = [read_image(path).resize((40, 40)) for path in paths[start : start + 64]]
        pixels = torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)
        with torch.no_grad():
            rows.append(vit.eval()((pixels.float() / 255 - mean) / std).cls)
    return F.normalize(torch.cat(rows), dim=1)


def neighbour_accuracy(
    vit: VisionTransformer, known: list[Path], unseen: list[Path], neighbours: int = 10
) -> float:
    """Share of unseen photos whose nearest known ones vote for the right digit (Wu et al. 2018)."""
    known_label, label = (torch.tensor([int(p.parent.name) for p in ps]) for ps in (known, unseen))
    similarity, nearest = (features(vit, unseen) @ features(vit, known).T).topk(neighbours)
    votes = torch.zeros(len(unseen), 10)
    votes.scatter_add_(1, known_label[nearest], (similarity / 0.07).exp())
    return (votes.argmax(1) == label).float().mean().item()


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_features_tell_digits_apart_better_than_a_random_network(
    photos: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    known, unseen = photos
    torch.manual_seed(0)
    before = neighbour_accuracy(VisionTransformer(**CONFIG.vit()), known, unseen)
    summary = pretrain(known, tmp_path / "run", CONFIG, quiet, lambda: None)
    after = neighbour_accuracy(load_dinov2_backbone(summary["backbone"]), known, unseen)
    assert summary["feature_std"] > 0.8
    assert after > before + 0.05, f"{before:.3f} -> {after:.3f}"
