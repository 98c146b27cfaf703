"""The pretraining loop: images in, a backbone file out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from slt_cli.data.crop_files import num_bytes
from slt_cli.errors import Diverged, InputError, Interrupted, UsageError
from slt_cli.pretraining.config import PretrainConfig
from slt_cli.pretraining.dino import Dino, StepValues, step_values
from slt_cli.pretraining.export import describe_vit, export_backbone
from slt_cli.pretraining.images import ImageSet, usable_images
from slt_cli.pretraining.multicrop import MultiCropDataset, view_loader
from slt_cli.storage.checkpoint import load_checkpoint, save_checkpoint
from slt_cli.storage.hashes import sha256_json
from slt_cli.training.run_folder import RunFolder
from slt_cli.training.state import Progress, rng_state, seed_everything, set_rng_state

Report = Callable[..., None]
StopCheck = Callable[[], int | None]

LAST, BEST, BACKBONE = "checkpoint_last.pt", "checkpoint_best.pt", "backbone.pt"


def pretrain(
    images: Sequence[Path],
    out: Path,
    config: PretrainConfig,
    report: Report,
    should_stop: StopCheck,
    resume: bool = False,
    *,
    backbone_path: Path | None = None,
) -> dict[str, Any]:
    """Train on `images` and write `out`: checkpoints, `metrics.jsonl` and the teacher's backbone.

    The backbone is the teacher of the last step. The best checkpoint is that of the lowest mean
    loss, which says little about its features: the loss also falls when the teacher forgets
    differences between images (watch `teacher_entropy` and `feature_std`).

    Unreadable and black images are left out and counted. `should_stop` is polled at every step and
    returns the number of a stop signal or None. `resume` continues `out` where it stopped, on a
    CPU to the same bits. Returns the counts, the last epoch's figures and `backbone`, the setting
    that loads the result.

    Raises `UsageError` when `out` holds a run, or another one than asked to continue; `InputError`
    for too few or changed images; `Interrupted` after saving; `Diverged` before a bad update.
    """
    if not resume and (out / LAST).exists():
        raise UsageError(
            "the output folder already holds a run",
            where=str(out),
            hint="add --resume to continue it, or choose another --output-dir",
        )
    usable = usable_images(images, report, should_stop)
    if len(usable.paths) < config.batch_size:
        raise InputError(
            f"{len(usable.paths)} usable images do not fill a batch of {config.batch_size} "
            f"({usable.unreadable} unreadable and {usable.missing} black ones left out)",
            hint=f"--batch-size {max(2, len(usable.paths))}, or more images",
        )
    seed_everything(config.seed)
    run = PretrainRun(out, config, usable, report)
    if resume:
        run.restore()
    run.fit(should_stop)
    return run.finish(backbone_path or out / BACKBONE)


class PretrainRun:
    """A run in its folder: the learner, how far it is, and what it keeps on disk."""

    def __init__(self, out: Path, config: PretrainConfig, images: ImageSet, report: Report) -> None:
        self.out, self.config, self.images, self.report = out, config, images, report
        self.learner = Dino(config)
        self.progress = Progress()
        self.folder = RunFolder(out)
        self.per_epoch = len(images.paths) // config.batch_size
        self.total = config.epochs * self.per_epoch

    def fit(self, should_stop: StopCheck) -> None:
        """Take every step that is left; save at the end of each epoch and on a stop."""
        config, progress = self.config, self.progress
        loader = view_loader(
            MultiCropDataset(self.images.paths, config.crops(), config.seed),
            config.batch_size, config.epochs, progress.step, config.num_workers,
            pin_memory=self.learner.device.type == "cuda",
        )  # fmt: skip
        started = time.monotonic()
        for global_views, local_views in loader:
            values = step_values(config, progress.step, self.per_epoch)
            measured = self.learner.step(global_views, local_views, values)
            self._count(measured)
            progress.elapsed_s += time.monotonic() - started
            started = time.monotonic()
            self.report(
                "train", done=progress.step, total=self.total, epoch=progress.epoch + 1,
                loss=measured["loss"], lr=values.lr,
            )  # fmt: skip
            at_end = progress.batch == self.per_epoch
            if at_end:
                self._close_epoch(values)
            if stop := should_stop():
                if not at_end:
                    self._save(LAST)
                raise Interrupted(
                    "pretraining stopped and saved",
                    signal_number=stop,
                    hint="run the same command with --resume",
                )

    def _count(self, measured: dict[str, float]) -> None:
        """Add the figures of a step, unless it was refused."""
        progress = self.progress
        if not all(math.isfinite(measured[name]) for name in ("loss", "gradient_norm")):
            raise Diverged(
                f"loss {measured['loss']}, gradient norm {measured['gradient_norm']} at step "
                f"{progress.step} of epoch {progress.epoch + 1}; nothing was updated",
                where=str(self.out),
                hint="start again with a lower --learning-rate or a longer --warmup-epochs",
            )
        for name, value in measured.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        progress.step += 1
        progress.batch += 1

    def _close_epoch(self, values: StepValues) -> None:
        """Log the epoch, then save at the start of the next one."""
        progress = self.progress
        means = {name: total / progress.batch for name, total in progress.sums.items()}
        record = {
            "epoch": progress.epoch + 1, "step": progress.step, **means, "lr": values.lr,
            "weight_decay": values.weight_decay, "teacher_momentum": values.momentum,
            "teacher_temp": values.teacher_temp, "time_s": progress.elapsed_s,
            "images_per_s": progress.batch * self.config.batch_size / progress.elapsed_s,
        }  # fmt: skip
        best = progress.best is None or means["loss"] < progress.best
        if best:
            progress.best = means["loss"]
        self.folder.log_epoch(record)
        self.report("epoch", **record)
        progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.sums, progress.elapsed_s = {}, 0.0
        if best:
            self._save(BEST)
        self._save(LAST)

    def _save(self, name: str) -> None:
        payload = {
            "kind": "pretrain", "config": asdict(self.config), "images": _fingerprint(self.images),
            **describe_vit(self.learner.teacher.backbone), **self.learner.state_dict(),
            "progress": dict(vars(self.progress)), "rng": rng_state(),
            "threads": torch.get_num_threads(),
        }  # fmt: skip
        save_checkpoint(self.out / name, payload)

    def restore(self) -> None:
        """Continue from the last checkpoint; refuse another configuration or other images."""
        path = self.out / LAST
        if not path.is_file():
            raise InputError(
                "nothing to resume: no checkpoint here", where=str(path), hint="leave out --resume"
            )
        payload = load_checkpoint(path)
        if payload.get("kind") != "pretrain":
            raise InputError("not a checkpoint of slt pretrain", where=str(path))
        if differences := self.config.differences(payload["config"]):
            raise UsageError(
                "the run was started with other settings: " + "; ".join(differences),
                where=str(path),
                hint="resume with the settings of the run, or choose another --output-dir",
            )
        if payload["images"] != _fingerprint(self.images):
            raise InputError(
                f"the images changed since the run began (then {payload['images']['count']}, "
                f"now {len(self.images.paths)})",
                where=str(path),
                hint="restore the images, or start a new run in another --output-dir",
            )
        if payload["threads"] != torch.get_num_threads():
            self.report("warning", text="another number of threads: not the same to the last bit")
        self.learner.load_state_dict(payload)
        self.progress = Progress(**payload["progress"])
        set_rng_state(payload["rng"])

    def finish(self, backbone_path: Path) -> dict[str, Any]:
        """Export the teacher and sum up the run."""
        best = self.progress.best
        assert best is not None  # every run has at least one epoch
        model = export_backbone(
            backbone_path, self.learner.teacher.backbone, stream=self.config.stream,
            minimum_loss=best, extra={"pretraining": asdict(self.config)},
        )  # fmt: skip
        last = self.folder.metrics()[-1]
        return {
            "images": len(self.images.paths), "unreadable": self.images.unreadable,
            "missing": self.images.missing, "epochs": self.progress.epoch,
            "steps": self.progress.step, "minimum_loss": best, "model": model,
            "backbone": f"file::{backbone_path}:{model}",
            **{name: last[name] for name in ("loss", "teacher_entropy", "feature_std")},
        }  # fmt: skip


def _fingerprint(images: ImageSet) -> dict[str, Any]:
    """Names and sizes of the images, without the folder they are in today."""
    listed = [[*path.parts[-2:], num_bytes(path)] for path in images.paths]
    return {"count": len(listed), "sha256": sha256_json(listed)}
