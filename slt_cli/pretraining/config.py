"""Plain values that shape a pretraining run; they are stored in its checkpoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from slt_cli.pretraining.multicrop import CropRecipe, Range

NOT_PART_OF_THE_RUN = frozenset({"device", "num_workers"})
"""Values that a resumed run may change: they say where it runs, not what it computes."""


@dataclass(frozen=True)
class PretrainConfig:
    """DINO with a ViT-S/16; defaults of the published recipe (Caron et al. 2021, appendix).

    The learning rate is the peak itself, not scaled by the batch size. The last layer keeps its
    weights during the first `frozen_last_layer_epochs`. `koleo_weight` adds DINOv2's spreading
    loss, which keeps small data sets from collapsing. `flip` mirrors views at random: right for
    faces, wrong for hands, where it exchanges left and right.
    """

    stream: str = "hands"
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 5e-4
    min_lr: float = 1e-6
    warmup_epochs: int = 10
    weight_decay: float = 0.04
    weight_decay_end: float = 0.4
    clip_grad_norm: float = 3.0
    frozen_last_layer_epochs: int = 1
    image_size: int = 224
    local_size: int = 96
    local_crops: int = 8
    global_scale: Range = (0.4, 1.0)
    local_scale: Range = (0.05, 0.4)
    flip: bool = False
    patch_size: int = 16
    vit_embed_dim: int = 384
    vit_depth: int = 12
    vit_heads: int = 6
    drop_path: float = 0.1
    prototypes: int = 65_536
    head_hidden: int = 2048
    head_bottleneck: int = 256
    student_temp: float = 0.1
    teacher_temp: float = 0.04
    teacher_temp_start: float = 0.04
    teacher_temp_warmup_epochs: int = 0
    koleo_weight: float = 0.0
    koleo_epsilon: float = 1e-4
    teacher_momentum: float = 0.996
    centre_momentum: float = 0.9
    num_workers: int = 0
    seed: int = 0
    device: str = "cpu"

    def vit(self) -> dict[str, Any]:
        """Arguments of the student's `VisionTransformer`."""
        return {
            "image_size": self.image_size, "patch_size": self.patch_size,
            "embed_dim": self.vit_embed_dim, "depth": self.vit_depth, "num_heads": self.vit_heads,
            "drop_path": self.drop_path,
        }  # fmt: skip

    def crops(self) -> CropRecipe:
        """How views are cut."""
        return CropRecipe(
            global_size=self.image_size, local_size=self.local_size, local_crops=self.local_crops,
            global_scale=self.global_scale, local_scale=self.local_scale, flip=self.flip,
        )  # fmt: skip

    def differences(self, stored: dict[str, Any]) -> list[str]:
        """What `stored` (of a checkpoint) has otherwise, as `name: stored -> here`."""
        here = asdict(self)
        names = sorted((here.keys() | stored.keys()) - NOT_PART_OF_THE_RUN)
        return [
            f"{name}: {stored.get(name)} -> {here.get(name)}"
            for name in names
            if stored.get(name) != here.get(name)
        ]
