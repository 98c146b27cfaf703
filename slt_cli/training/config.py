"""The plain values of a training loop."""

from __future__ import annotations

from dataclasses import dataclass, field

from slt_cli.training.teacher_forcing import TeacherForcing


@dataclass(frozen=True)
class LoopConfig:
    """Plain values of the loop. Lengths in epochs and updates; weights of the loss terms.

    `lr` is the rate that `min_lr` is a part of; the optimiser knows the peak rate of each part of
    the model. `scheduler_step_size` counts epochs. `task` is sign2text, sign2gloss or gloss2text,
    `precision` fp32, bf16 or fp16. `max_train_steps` and `early_stopping` are off at 0. With
    `published_pad`, a token id, the translation loss is the one of MSKA's authors.
    """

    epochs: int
    lr: float
    warmup_steps: int
    schedule: str
    grad_accum_steps: int
    clip_grad_norm: float
    label_smoothing: float
    translation_weight: float
    ctc_weight: float
    distillation_weight: float
    distillation_temperature: float
    detach_teacher: bool
    masked: bool
    save_every_steps: int
    min_lr: float = 0.0
    scheduler_step_size: int = 1
    scheduler_gamma: float = 1.0
    max_train_steps: int = 0
    early_stopping: int = 0
    task: str = "sign2text"
    precision: str = "fp32"
    published_pad: int | None = None
    teacher_forcing: TeacherForcing = field(default_factory=TeacherForcing)

    @property
    def weights(self) -> dict[str, float]:
        """Loss term -> weight."""
        return {
            "translation": self.translation_weight,
            "ctc": self.ctc_weight,
            "distillation": self.distillation_weight,
        }
