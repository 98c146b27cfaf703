"""How a run learns, from settings to the plain values of the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slt_cli.errors import UsageError
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    from slt_cli.training.config import LoopConfig


def check_recipe(settings: Settings) -> None:
    """Raise `UsageError` for settings that contradict each other, whatever the data are."""
    optim, model = settings.optim, settings.model
    if optim.min_lr > optim.lr:
        raise UsageError(
            f"min_lr ({optim.min_lr}) is above lr ({optim.lr})", where="optim.min_lr",
            hint="--min-lr 0",
        )  # fmt: skip
    mixed = [part for part, share in settings.data.mix_streams.items() if share > 0]
    unread = [part for part in mixed if part not in model.streams]
    if unread:
        raise UsageError(
            f"data.mix_streams names {', '.join(unread)}, which the model does not read",
            where="data.mix_streams",
            hint=f"add it to model.streams, now {', '.join(model.streams)}",
        )
    if settings.training.task != "sign2gloss":
        return
    if not model.mska_ctc_weight:
        raise UsageError(
            "sign2gloss learns from the CTC loss, whose weight is 0",
            where="model.mska_ctc_weight", hint="--mska-ctc-weight 1",
        )  # fmt: skip
    unread = [stream for stream in model.streams if stream != "keypoints"]
    if "keypoints" in model.streams and unread:
        raise UsageError(
            f"sign2gloss reads glosses from the keypoints: it would not train {', '.join(unread)}",
            where="model.streams", hint="--streams keypoints, or the others without it",
        )  # fmt: skip


def loop_config(settings: Settings, pad_id: int | None = None) -> LoopConfig:
    """The loop's plain values; `pad_id` is the padding that the published loss leaves out."""
    from slt_cli.training.config import LoopConfig
    from slt_cli.training.teacher_forcing import TeacherForcing

    optim, model, training = settings.optim, settings.model, settings.training
    scheduled = TeacherForcing(
        training.teacher_forcing_ratio, training.teacher_forcing_min_ratio,
        training.teacher_forcing_decay,
    )  # fmt: skip
    reference = model.mska_mode == "reference" and "keypoints" in model.streams
    return LoopConfig(
        epochs=training.epochs, max_train_steps=training.max_train_steps,
        early_stopping=training.early_stopping, task=training.task, precision=training.precision,
        lr=optim.lr, min_lr=optim.min_lr, warmup_steps=optim.warmup_steps,
        schedule=optim.scheduler, scheduler_step_size=optim.scheduler_step_size,
        scheduler_gamma=optim.scheduler_gamma, grad_accum_steps=optim.grad_accum_steps,
        clip_grad_norm=optim.clip_grad_norm, label_smoothing=optim.label_smoothing,
        translation_weight=model.mska_translation_weight, ctc_weight=model.mska_ctc_weight,
        distillation_weight=model.mska_distillation_weight,
        distillation_temperature=model.mska_distillation_temperature,
        detach_teacher=model.mska_detach_teacher, masked=model.mska_mode == "masked",
        save_every_steps=training.save_every_steps, published_pad=pad_id if reference else None,
        teacher_forcing=scheduled if training.teacher_forcing_mode == "scheduled"
        else TeacherForcing(),
    )  # fmt: skip


def learning_rates(settings: Settings) -> dict[str, float]:
    """Part of the model -> its peak learning rate."""
    from slt_cli.training.optim import PARTS

    optim = settings.optim
    return {part: getattr(optim, f"lr_{part}") or optim.lr for part in PARTS}
