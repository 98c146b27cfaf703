"""From a prepared run to its end: optimiser, batches, validation, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Report
from slt_cli.pipelines.training.prepare import Run, first_process_first
from slt_cli.pipelines.training.recipe import learning_rates, loop_config
from slt_cli.settings.root import Settings

if TYPE_CHECKING:
    import torch

    from slt_cli.data.feature_cache import FeatureCache
    from slt_cli.data.loader import TrainLoader
    from slt_cli.training.config import LoopConfig
    from slt_cli.training.run_folder import RunFolder
    from slt_cli.training.state import Progress
    from slt_cli.training.tensorboard import TensorBoard
    from slt_cli.training.validation import Validator


def fit_run(
    run: Run,
    folder: RunFolder,
    payload: dict[str, Any] | None,
    report: Report,
    should_stop: Callable[[], int | None],
) -> None:
    """Train to the end of the run. Raises as `fit` does."""
    from slt_cli.data.loader import loader_failures
    from slt_cli.storage.checkpoint import save_checkpoint
    from slt_cli.training.distributed import world
    from slt_cli.training.loop import fit, is_finished, parameter_counts
    from slt_cli.training.state import state_dict

    config, main = loop_config(run.settings, run.tokenizer.pad_id), world().is_main
    ready_model(run)
    run.train.features = run.val.features = _features(run, report)
    optimizer, scaler, progress = _begin(run, payload, report)
    if is_finished(progress, config):
        report("note", text="the run is complete: nothing is left to train")
        return
    report("model", **parameter_counts(run.model))

    def save(progress: Progress, *, best: bool, keep: bool) -> None:
        if main:
            state = {**run.self_contained(), **state_dict(run.model, optimizer, progress, scaler)}
            step = progress.step if keep and run.settings.training.keep_steps else None
            folder.save(state, best=best, step=step)

    def keep_batch(record: dict[str, Any]) -> None:
        name = "nan-batch.pt" if main else f"nan-batch-{world().rank}.pt"
        save_checkpoint(folder.path / name, record)

    with (
        loader_failures(),
        closing(_loader(run)) as loader,
        _events(run, folder, progress) as tracker,
    ):
        fit(
            run.model, optimizer, loader, config, progress, device=run.device, save=save,
            end_of_epoch=_validator(run, config, folder, report, tracker), report=report,
            should_stop=should_stop, scaler=scaler, keep_batch=keep_batch,
        )  # fmt: skip


def _begin(
    run: Run, payload: dict[str, Any] | None, report: Report
) -> tuple[torch.optim.Optimizer, torch.amp.GradScaler | None, Progress]:
    """Optimiser, loss scale and position: new, or those of the checkpoint."""
    from slt_cli.training.precision import build_scaler
    from slt_cli.training.state import Progress, load_state_dict, same_bits

    optimizer = optimizer_of(run)
    scaler = build_scaler(run.device, run.settings.training.precision)
    progress = Progress()
    if payload:
        progress = load_state_dict(payload, run.model, optimizer, scaler)
        reason = same_bits(payload)
        if reason:
            report("warning", text=f"the run goes on, but not bit by bit: {reason}")
    _draw_apart(run.settings, progress)
    return optimizer, scaler, progress


def _events(
    run: Run, folder: RunFolder, progress: Progress
) -> AbstractContextManager[TensorBoard | None]:
    from slt_cli.training.distributed import world
    from slt_cli.training.tensorboard import TensorBoard

    if not run.settings.training.tensorboard or not world().is_main:
        return nullcontext()
    return closing(TensorBoard(folder.path, first_epoch=progress.epoch + 1))


def optimizer_of(run: Run) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the trained parameters of the model."""
    from slt_cli.training.optim import build_optimizer

    optim = run.settings.optim
    return build_optimizer(
        run.model, kind=optim.optimizer, rates=learning_rates(run.settings),
        weight_decay=optim.weight_decay, betas=optim.betas, momentum=optim.momentum,
    )  # fmt: skip


def ready_model(run: Run) -> None:
    """Recomputation, compilation, and what scheduled sampling needs of a decoder, in place.

    Raises `UsageError` for a decoder that scheduled sampling cannot use.
    """
    training = run.settings.training
    if training.teacher_forcing_mode == "scheduled" and not hasattr(run.model.decoder, "shifted"):
        raise UsageError(
            "scheduled sampling asks the text decoder for `shifted(labels)`",
            where="model.decoder_class", hint="--teacher-forcing-mode standard",
        )  # fmt: skip
    if training.gradient_checkpointing:
        run.model.recompute_activations()
    if training.compile:
        run.model.compile(mode=training.compile_mode)


def _loader(run: Run) -> TrainLoader:
    from slt_cli.builders.data import build_mixing
    from slt_cli.data.loader import TrainLoader
    from slt_cli.training.distributed import world
    from slt_cli.training.signals import ignore_stop_signals

    data = run.settings.data
    return TrainLoader(
        run.train, batch_size=data.batch_size, max_batch_frames=data.max_batch_frames,
        num_workers=data.num_workers, pin_memory=data.pin_memory, seed=run.settings.training.seed,
        worker_init=ignore_stop_signals, mixing=build_mixing(run.settings), rank=world().rank,
        size=world().size,
    )  # fmt: skip


def _validator(
    run: Run,
    config: LoopConfig,
    folder: RunFolder,
    report: Report,
    tracker: TensorBoard | None,
) -> Validator:
    from slt_cli.training.validation import Validator

    data, training = run.settings.data, run.settings.training
    return Validator(
        model=run.model, dataset=run.val, tokenizer=run.tokenizer, glosses=run.glosses,
        config=config, batch_size=data.val_batch_size, max_length=data.max_target_length,
        generate_every=training.generate_every, metric=training.best_metric, folder=folder,
        device=run.device, report=report, tracker=tracker,
    )  # fmt: skip


def _features(run: Run, report: Report) -> dict[str, FeatureCache]:
    """Caches of the features of frozen backbones, filled, when the settings ask for them."""
    from slt_cli.builders import build_feature_caches

    ids = [record.video_id for record in (*run.train.records, *run.val.records)]
    with first_process_first():
        return build_feature_caches(
            run.settings, run.clips.corpus, ids, run.model.encoder, device=run.device,
            progress=lambda done, total: report("features", done=done, total=total),
        )  # fmt: skip


def _draw_apart(settings: Settings, progress: Progress) -> None:
    """Give every process but the first random numbers of its own, for its dropout."""
    import numpy as np

    from slt_cli.training.distributed import world
    from slt_cli.training.state import seed_everything

    if not world().is_main:
        own = np.random.SeedSequence([settings.training.seed, world().rank, progress.step])
        seed_everything(int(own.generate_state(1)[0]))
