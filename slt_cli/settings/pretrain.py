"""Self-supervised training of a crop backbone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from slt_cli.settings.base import Section, multiple_of, setting


class PretrainSettings(Section):
    """DINO on folders of crops (Caron et al. 2021)."""

    train_dir: list[Path] = setting(
        [], "folder of images; repeat for several. CORPUS/<stream> when not given"
    )
    output_dir: Path | None = setting(
        None, "run folder; work_dirs/<preset or dino-STREAM> when not given", short="-o"
    )
    stream: Literal["face", "hand_l", "hand_r", "hands"] = setting(
        "hands",
        "what the crops show; hands are not mirrored, because that exchanges left and right",
    )
    algorithm: Literal["dino"] = setting("dino", "self-supervised objective")
    epochs: int = setting(100, "passes over the images", ge=1, le=100_000)
    batch_size: int = setting(64, "images per step", ge=2, le=65_536)
    learning_rate: float = setting(5e-4, "peak learning rate", gt=0, le=10)
    min_lr: float = setting(1e-6, "learning rate at the end", ge=0, le=10)
    warmup_epochs: int = setting(10, "epochs of linear warm-up", ge=0, le=100_000)
    weight_decay: float = setting(0.04, "weight decay at the start", ge=0, le=10)
    weight_decay_end: float = setting(0.4, "weight decay at the end", ge=0, le=10)
    clip_grad_norm: float = setting(3.0, "largest gradient norm of one tensor", gt=0, le=1e6)
    image_size: int = setting(224, "side of the global crops", ge=16, le=518)
    local_size: int = setting(96, "side of the local crops", ge=16, le=518)
    local_crops: int = setting(8, "local crops per image", ge=0, le=32)
    patch_size: int = setting(16, "side of a patch", ge=2, le=64)
    vit_embed_dim: int = setting(384, "width of the vision transformer", ge=16, le=4096)
    vit_depth: int = setting(12, "layers of the vision transformer", ge=1, le=64)
    vit_heads: int = setting(6, "attention heads of the vision transformer", ge=1, le=64)
    prototypes: int = setting(65_536, "outputs of the projection head", ge=2, le=2**20)
    teacher_temp: float = setting(0.04, "temperature of the teacher", gt=0, le=1)
    teacher_momentum: float = setting(0.996, "momentum of the teacher at the start", ge=0, le=1)
    koleo_weight: float = setting(
        0.0,
        "weight of the KoLeo term that spreads features (Sablayrolles et al. 2019)",
        ge=0,
        le=1e3,
    )
    koleo_epsilon: float = setting(1e-4, "smallest distance KoLeo takes the log of", gt=0, le=1)
    num_workers: int = setting(0, "processes that decode and augment images", ge=0, le=64)
    seed: int = setting(0, "seed of weights, order and augmentation", ge=0, lt=2**31)
    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$"
    )
    resume: bool = setting(False, "continue the run in the output folder")
    export_backbone: Path | None = setting(
        None, "backbone file to write; OUTPUT/backbone.pt when not given"
    )

    def contradictions(self) -> Iterator[str]:
        """Crops that are not whole patches, widths that the heads do not divide, long warm-ups."""
        yield from multiple_of(
            self,
            ("image_size", "patch_size"),
            ("local_size", "patch_size"),
            ("vit_embed_dim", "vit_heads"),
        )
        if self.warmup_epochs > self.epochs:
            yield f"warmup_epochs ({self.warmup_epochs}) is longer than epochs ({self.epochs})"
