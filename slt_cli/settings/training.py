"""How a model is optimised: step sizes, length and safety of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slt_cli.settings.base import Section, setting


class OptimSettings(Section):
    """AdamW and its schedule."""

    lr: float = setting(5e-4, "peak learning rate", gt=0, le=10)
    weight_decay: float = setting(0.01, "weight decay; none on biases and norms", ge=0, le=10)
    scheduler: Literal["none", "cosine", "linear"] = setting("cosine", "learning-rate schedule")
    warmup_steps: int = setting(100, "steps of linear warm-up", ge=0, le=10**7)
    grad_accum_steps: int = setting(1, "batches added up before one update", ge=1, le=4096)
    clip_grad_norm: float = setting(1.0, "largest gradient norm; 0 does not clip", ge=0, le=1e6)
    label_smoothing: float = setting(0.1, "smoothing of the target words", ge=0, lt=1)


class TrainingSettings(Section):
    """Length, seed, device and continuation of a run."""

    epochs: int = setting(40, "passes over the training split", ge=1, le=100_000)
    seed: int = setting(0, "seed of weights, order and augmentation", ge=0, lt=2**31)
    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$"
    )
    resume: bool = setting(False, "continue the run in the work folder exactly where it stopped")
    init_checkpoint: Path | None = setting(
        None, "start a new run from the weights of this checkpoint"
    )
    save_every_steps: int = setting(
        0, "also save last.pt every N updates; 0 saves at the end of each epoch", ge=0, le=10**9
    )
    best_metric: Literal["loss", "bleu"] = setting(
        "loss", "what best.pt is best in, on the validation split"
    )
    generate_every: int = setting(
        5,
        "translate the validation split every N epochs; the loss is always measured",
        ge=1,
        le=10**6,
    )
