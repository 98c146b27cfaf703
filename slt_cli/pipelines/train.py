"""`slt train`: from a corpus to a run folder."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt_cli.errors import Diverged, Interrupted, SltError, UsageError
from slt_cli.pipelines.result import Report, Result, silent
from slt_cli.pipelines.training.clips import Clips, read_clips
from slt_cli.pipelines.training.recipe import check_recipe, loop_config
from slt_cli.pipelines.training.start import Start, start_of
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.lock import folder_lock

if TYPE_CHECKING:
    import torch

    from slt_cli.pipelines.training.prepare import Run
    from slt_cli.training.run_folder import RunFolder

__all__ = [
    "check_backbones", "check_recipe", "loop_config", "missing_files", "run_train", "work_dir_of",
]  # fmt: skip

CROP_PARTS = ("face", "hand_left", "hand_right")


def work_dir_of(loaded: Loaded) -> Path:
    """The run folder: `data.work_dir`, else `work_dirs/<preset>`."""
    named = (loaded.preset or "run").replace("_", "-")
    return loaded.settings.data.work_dir or Path("work_dirs") / named


def run_train(loaded: Loaded, report: Report) -> Result:
    """Train, writing checkpoints and metrics into the run folder.

    Under torchrun every process calls this; the first one alone writes and reports.

    Raises `UsageError` when a table is missing, the folder is in use, or nothing could be trained,
    `MissingAsset` for a file that the settings name, `Interrupted` after a stop signal (saved),
    `Diverged` on a loss or gradient that is not finite, `OutOfResources` when memory runs out.
    """
    from slt_cli.training.run_folder import RunFolder

    folder = RunFolder(work_dir_of(loaded))
    start = start_of(folder, loaded)
    check_recipe(start.settings)
    check_backbones(start.settings)
    clips = read_clips(start.settings)

    # What is not there is told before the seconds that torch needs.
    from slt_cli.builders.assets import require_assets

    if start.payload is None:
        require_assets(start.settings, os.environ)
    from slt_cli.builders import resolve_device
    from slt_cli.training.distributed import lost_processes, start_processes, stop_processes

    device = resolve_device(start.settings.training.device)
    main = start_processes(device).is_main
    with lost_processes():
        result = _train(loaded, start, clips, folder, device, report if main else silent)
    stop_processes()
    return result


def _train(
    loaded: Loaded,
    start: Start,
    clips: Clips,
    folder: RunFolder,
    device: torch.device,
    report: Report,
) -> Result:
    from slt_cli.pipelines.training.prepare import prepare
    from slt_cli.training.distributed import world
    from slt_cli.training.run_log import RunLog
    from slt_cli.training.signals import stop_request

    told: list[tuple[str, dict[str, Any]]] = []

    def tell(event: str, **facts: Any) -> None:
        told.append((event, facts))
        report(event, **facts)

    for text in start.warnings:
        tell("warning", text=text)
    run = prepare(start.settings, clips, start.payload, device, tell)
    if not world().is_main:
        with stop_request(tells=False) as should_stop:
            return _fit(run, folder, start, report, should_stop)
    with folder_lock(folder.path, "the run"), stop_request() as should_stop:
        config = run.config(loaded)
        if start.payload is None:
            folder.refuse_if_used()  # another process may have trained here while this one loaded
            folder.write_config(config)
        folder.artifacts_path.unlink(missing_ok=True)
        log = RunLog(folder.log_path, report)
        log.begin(config, resumed_from=start.path)
        for event, facts in told:
            if event in {"note", "warning"}:
                log.line(event, **facts)
        return _fit(run, folder, start, log, should_stop)


def _fit(run: Run, folder: RunFolder, start: Start, report: Report, should_stop: Any) -> Result:
    """Train and record how it ended."""
    from slt_cli.pipelines.training.fitting import fit_run
    from slt_cli.training.distributed import end_together, lost_processes, world

    main, started = world().is_main, time.monotonic()
    try:
        with lost_processes():
            fit_run(run, folder, start.payload, report, should_stop)
    except (Interrupted, Diverged) as error:  # in all processes
        if main:
            folder.finish("interrupted" if isinstance(error, Interrupted) else "diverged")
        end_together()
        error.hint = error.hint or f"slt train --work-dir {folder.path} --resume"
        raise
    except SltError as error:
        error.of_one_process = not isinstance(error, UsageError)
        if main:
            with suppress(SltError, OSError):  # the disk may be full
                folder.finish("failed")
        raise
    if not main:
        return Result("train")
    folder.finish("completed")
    return _result(folder, time.monotonic() - started)


def check_backbones(settings: Settings) -> None:
    """Raise `UsageError` for a backbone of an unknown name."""
    parts = [part for part in CROP_PARTS if part in settings.model.streams]
    if parts:  # torch takes seconds
        from slt_cli.builders import check_backbone_spec

        for part in parts:
            check_backbone_spec(
                getattr(settings.model, f"{part}_backbone"), f"model.{part}_backbone"
            )


def missing_files(settings: Settings) -> list[str]:
    """What the settings name and this machine has not, each with how to get it."""
    from slt_cli.builders.assets import missing_assets

    missing = []
    for stream in ("face", "hand", "body"):
        state = getattr(settings.model, f"mska_{stream}_state")
        if state is not None and not state.is_file():
            missing.append(f"{state} (model.mska_{stream}_state; slt export backbone writes it)")
    for part in CROP_PARTS:
        spec = getattr(settings.model, f"{part}_backbone")
        if part in settings.model.streams and spec.startswith("file::"):
            path, _, model = spec.removeprefix("file::").rpartition(":")
            if not Path(path or model).is_file():
                missing.append(f"{path or model} (model.{part}_backbone; slt pretrain writes it)")
    for error in missing_assets(settings):
        missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    checkpoint = settings.training.init_checkpoint
    if checkpoint is not None and not checkpoint.is_file():
        missing.append(f"{checkpoint} (training.init_checkpoint)")
    return missing


def _result(folder: RunFolder, elapsed_s: float) -> Result:
    metrics = folder.metrics()
    last = metrics[-1] if metrics else {}
    scores = [record["bleu"] for record in metrics if record.get("bleu") is not None]
    return Result(
        "train", text=str(folder.path),
        outputs=[path for path in (folder.best, folder.last) if path.is_file()],
        counts={"epochs": len(metrics)},
        facts={
            "elapsed_s": round(elapsed_s, 1), "last": last,
            "val_bleu": scores[-1] if scores else None,
        },
    )  # fmt: skip
