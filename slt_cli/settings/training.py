"""How a model is optimised: step sizes, length and safety of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from slt_cli.settings.base import Section, setting

Beta = Annotated[float, Field(ge=0, lt=1)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class OptimSettings(Section):
    """The optimiser and its schedule."""

    optimizer: Literal["adamw", "adam", "sgd"] = setting("adamw", "optimiser")
    lr: float = setting(5e-4, "peak learning rate", gt=0, le=10)
    lr_encoder: float | None = setting(
        None, "peak rate of projectors, fusion and temporal transformer; lr when not given",
        gt=0, le=10,
    )  # fmt: skip
    lr_decoder: float | None = setting(
        None, "peak rate of the text decoder; lr when not given", gt=0, le=10
    )
    lr_mska: float | None = setting(
        None, "peak rate of the keypoint streams and gloss heads; lr when not given", gt=0, le=10
    )
    lr_backbone: float | None = setting(
        None, "peak rate of the vision transformers; lr when not given", gt=0, le=10
    )
    lr_mapper: float | None = setting(
        None, "peak rate of the gloss mapper; lr when not given", gt=0, le=10
    )
    momentum: float = setting(0.9, "momentum of sgd", ge=0, lt=1)
    betas: tuple[Beta, Beta] = setting((0.9, 0.999), "decay rates of adamw and adam")
    weight_decay: float = setting(0.01, "weight decay; none on biases and norms", ge=0, le=10)
    scheduler: Literal["none", "step", "cosine", "linear"] = setting(
        "cosine", "learning-rate schedule"
    )
    scheduler_step_size: int = setting(
        10, "epochs between two steps of the schedule step", ge=1, le=10**6
    )
    scheduler_gamma: float = setting(0.1, "factor of a step of the schedule step", gt=0, le=1)
    min_lr: float = setting(0.0, "where the schedules cosine and linear end", ge=0, le=10)
    warmup_steps: int = setting(100, "steps of linear warm-up", ge=0, le=10**7)
    grad_accum_steps: int = setting(1, "batches added up before one update", ge=1, le=4096)
    clip_grad_norm: float = setting(1.0, "largest gradient norm; 0 does not clip", ge=0, le=1e6)
    label_smoothing: float = setting(0.1, "smoothing of the target words", ge=0, lt=1)


class TrainingSettings(Section):
    """Length, seed, device and continuation of a run."""

    task: Literal["sign2text", "sign2gloss", "gloss2text"] = setting(
        "sign2text",
        "sign2text: signing to text, with glosses where there are any; sign2gloss: glosses alone; "
        "gloss2text: the text decoder alone, from glosses",
    )
    epochs: int = setting(40, "passes over the training split", ge=1, le=100_000)
    max_train_steps: int = setting(
        0, "stop after this many updates; 0: when the epochs are over", ge=0, le=10**9
    )
    subset_size: int = setting(
        0, "train on this many clips, chosen by the seed; 0: on all", ge=0, le=10**9
    )
    early_stopping: int = setting(
        0, "stop when best_metric has not improved for this many validations; 0: never",
        ge=0, le=10**6,
    )  # fmt: skip
    seed: int = setting(0, "seed of weights, order and augmentation", ge=0, lt=2**31)
    device: str = setting(
        "auto", "auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$"
    )
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "fp32", "numbers of the forward pass; fp16 needs a GPU"
    )
    compile: bool = setting(False, "compile the model: slower to start, faster steps on a GPU")
    compile_mode: Literal["default", "reduce-overhead", "max-autotune"] = setting(
        "default", "what the compiler aims at"
    )
    gradient_checkpointing: bool = setting(
        False, "compute activations again in the backward pass: less memory, more time"
    )
    teacher_forcing_mode: Literal["standard", "scheduled"] = setting(
        "standard",
        "standard: the decoder reads the reference; scheduled: more and more of its own output",
    )
    teacher_forcing_ratio: Ratio = setting(
        1.0, "share of reference words that the decoder reads at first"
    )
    teacher_forcing_min_ratio: Ratio = setting(0.0, "least share that scheduled comes down to")
    teacher_forcing_decay: Ratio = setting(0.95, "factor of the share after each epoch")
    resume: bool = setting(False, "continue the run in the work folder exactly where it stopped")
    init_checkpoint: Path | None = setting(
        None, "start a new run from the weights of this checkpoint"
    )
    pretrained: Literal["single_signer", "none"] = setting(
        "single_signer", "weights that a new run starts from, when the file is there"
    )
    pretrained_checkpoint: Path | None = setting(
        None,
        "that file; SLT_SINGLE_SIGNER_CHECKPOINT or a checkpoint in data/single_signer/ if unset",
    )
    allow_download: bool = setting(
        False, "fetch missing models and tokenizers from their hub, of the pinned revision"
    )
    save_every_steps: int = setting(
        0, "also save last.pt every N updates; 0 saves at the end of each epoch", ge=0, le=10**9
    )
    keep_steps: bool = setting(False, "keep each of these as step-N.pt, too")
    tensorboard: bool = setting(False, "also write events for TensorBoard")
    best_metric: Literal["loss", "bleu", "chrf", "wer", "gloss_wer"] = setting(
        "loss", "what best.pt is best in, on the validation split"
    )
    generate_every: int = setting(
        5,
        "translate the validation split every N epochs; the loss is always measured",
        ge=1,
        le=10**6,
    )
