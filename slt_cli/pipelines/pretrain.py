"""`slt pretrain`: from folders of crops to a backbone file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slt_cli.errors import UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.pretrain import PretrainSettings
from slt_cli.storage.lock import folder_lock

STREAM_FOLDERS = {
    "face": ("face",), "hand_l": ("hand_l",), "hand_r": ("hand_r",), "hands": ("hand_l", "hand_r"),
}  # fmt: skip


def plan_pretrain(loaded: Loaded) -> Result:
    """What `run_pretrain` would do and what it lacks."""
    from slt_cli.pretraining.images import find_images, is_image_folder

    folders, out = _folders(loaded), _output(loaded)
    missing = [f"{f} (a folder of images)" for f in folders if not is_image_folder(f)]
    plan = Plan("pretrain", missing=missing)
    if not plan.missing:
        plan.facts["images"] = len(find_images(folders))
    settings = loaded.settings.pretrain
    plan.steps += [
        f"train {settings.algorithm} for {settings.epochs} epochs on "
        + ", ".join(map(str, folders)),
        f"write {out}/ and the backbone {settings.export_backbone or out / 'backbone.pt'}",
    ]
    return plan.as_result(loaded.overrides())


def run_pretrain(loaded: Loaded, report: Report) -> Result:
    """Pretrain and export the backbone.

    Raises `UsageError` for a missing folder or a folder in use, `Interrupted` after saving.
    """
    from slt_cli.pretraining.images import find_images, is_image_folder
    from slt_cli.pretraining.loop import pretrain
    from slt_cli.training.signals import stop_request

    settings, out = loaded.settings.pretrain, _output(loaded)
    folders = _folders(loaded)
    for folder in folders:
        if not is_image_folder(folder):
            raise UsageError(
                "no such folder of images", where=str(folder),
                hint="slt extract VIDEO... writes crops, or give --train-dir FOLDER",
            )  # fmt: skip
    with folder_lock(out, "the run"), stop_request() as should_stop:
        summary = pretrain(
            find_images(folders), out, _config(settings), report, should_stop, settings.resume,
            backbone_path=settings.export_backbone,
        )  # fmt: skip
    return _result(out, summary)


def _folders(loaded: Loaded) -> list[Path]:
    settings = loaded.settings.pretrain
    corpus = loaded.settings.data.corpus
    return list(settings.train_dir) or [corpus / name for name in STREAM_FOLDERS[settings.stream]]


def _output(loaded: Loaded) -> Path:
    settings = loaded.settings.pretrain
    name = (loaded.preset or f"{settings.algorithm}-{settings.stream}").replace("_", "-")
    return settings.output_dir or Path("work_dirs") / name


def _config(settings: PretrainSettings) -> Any:
    from slt_cli.builders import resolve_device
    from slt_cli.pretraining.config import PretrainConfig

    same = (
        "stream", "epochs", "batch_size", "learning_rate", "min_lr", "warmup_epochs",
        "weight_decay", "weight_decay_end", "clip_grad_norm", "image_size", "local_size",
        "local_crops", "patch_size", "vit_embed_dim", "vit_depth", "vit_heads", "prototypes",
        "teacher_temp", "teacher_momentum", "koleo_weight", "koleo_epsilon", "num_workers", "seed",
    )  # fmt: skip
    return PretrainConfig(
        **{name: getattr(settings, name) for name in same},
        teacher_temp_start=settings.teacher_temp,
        flip=settings.stream == "face",
        device=str(resolve_device(settings.device)),
    )


def _result(out: Path, summary: dict[str, Any]) -> Result:
    text = f"{out}\nbackbone: {summary['backbone']}"
    counts = {
        key: int(summary[key]) for key in ("images", "unreadable", "missing", "epochs", "steps")
    }
    return Result("pretrain", text=text, outputs=[out], counts=counts, facts=summary)
