"""`slt train`: from a corpus to a run folder."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slt_cli import __version__
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import Diverged, Interrupted, MissingAsset, SltError, UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.pipelines.run_settings import settings_of, shape_of, stored_settings
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.hashes import sha256_json
from slt_cli.storage.lock import folder_lock


def work_dir_of(loaded: Loaded) -> Path:
    """The run folder: `data.work_dir`, else `work_dirs/<preset>`."""
    named = (loaded.preset or "run").replace("_", "-")
    return loaded.settings.data.work_dir or Path("work_dirs") / named


def plan_train(loaded: Loaded) -> Result:
    """What `run_train` would do and what it lacks. Writes nothing."""
    from slt_cli.data.annotations import missing_tables, read_split
    from slt_cli.pipelines.corpora import corpus_paths
    from slt_cli.training.run_folder import RunFolder

    plan, settings, folder = Plan("train"), loaded.settings, RunFolder(work_dir_of(loaded))
    _check_backbones(settings)
    try:
        settings, _ = _start(folder, loaded)
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    corpus = corpus_paths(settings.data)
    plan.missing += missing_tables(corpus, ("train", "val")) + _missing_files(settings)
    if plan.missing:
        plan.steps.append(f"train on {corpus.root}, once what is missing is there")
    else:
        counts = {split: len(read_split(corpus, split)) for split in ("train", "val")}
        plan.facts["clips"] = counts
        plan.steps.append(f"train on {counts['train']} clips, validate on {counts['val']}")
    plan.steps.append(f"run {settings.training.epochs} epochs and write {folder.path}/")
    return plan.as_result(loaded.overrides())


def run_train(loaded: Loaded, report: Report) -> Result:
    """Train, writing checkpoints and metrics into the run folder.

    Raises `UsageError` when a table is missing or the folder is in use, `Interrupted` after a stop
    signal (saved), `Diverged` on a non-finite loss.
    """
    from slt_cli.training.run_folder import RunFolder
    from slt_cli.training.signals import stop_request

    folder = RunFolder(work_dir_of(loaded))
    settings, payload = _start(folder, loaded)
    if payload and payload["progress"]["epoch"] >= settings.training.epochs:
        report("note", text="the run is complete: nothing is left to train")
    run = _prepare(settings, payload, report)
    with folder_lock(folder.path, "the run"), stop_request() as should_stop:
        if payload is None:
            folder.refuse_if_used()  # another process may have trained here while this one loaded
            folder.write_config(_config(run, loaded))
        folder.artifacts_path.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            _fit(run, folder, payload, report, should_stop)
        except (Interrupted, Diverged) as error:
            folder.finish("interrupted" if isinstance(error, Interrupted) else "diverged")
            error.hint = error.hint or f"slt train --work-dir {folder.path} --resume"
            raise
        folder.finish("completed")
    return _result(folder, time.monotonic() - started)


@dataclass
class _Run:
    """Everything a run needs, built once."""

    settings: Settings
    corpus: CorpusPaths
    tokenizer: Any
    glosses: list[str]
    train: Any
    val: Any
    shape: Any
    backbones: Any
    fingerprint: str


_CROP_PARTS = ("face", "hand_left", "hand_right")


def _check_backbones(settings: Settings) -> None:
    """Raise `UsageError` for a backbone of an unknown name."""
    parts = [part for part in _CROP_PARTS if part in settings.model.streams]
    if parts:  # torch takes seconds
        from slt_cli.builders import check_backbone_spec

        for part in parts:
            check_backbone_spec(
                getattr(settings.model, f"{part}_backbone"), f"model.{part}_backbone"
            )


def _missing_files(settings: Settings) -> list[str]:
    missing = []
    for stream in ("face", "hand", "body"):
        state = getattr(settings.model, f"mska_{stream}_state")
        if state is not None and not state.is_file():
            missing.append(f"{state} (model.mska_{stream}_state; slt export backbone writes it)")
    for part in _CROP_PARTS:
        spec = getattr(settings.model, f"{part}_backbone")
        if part in settings.model.streams and spec.startswith("file::"):
            path, _, model = spec.removeprefix("file::").rpartition(":")
            if not Path(path or model).is_file():
                missing.append(f"{path or model} (model.{part}_backbone; slt pretrain writes it)")
    missing += _missing_decoder(settings)
    checkpoint = settings.training.init_checkpoint
    if checkpoint is not None and not checkpoint.is_file():
        missing.append(f"{checkpoint} (training.init_checkpoint)")
    return missing


def _missing_decoder(settings: Settings) -> list[str]:
    from slt_cli.builders.decoder import pretrained_name
    from slt_cli.builders.pretrained import find_decoder

    name = pretrained_name(settings.model)
    try:
        if name is not None:
            find_decoder(name, settings.model.decoder_search_path)
    except MissingAsset as error:
        return [f"{error.message} ({error.where}); next: {error.hint}"]
    return []


def _start(folder: Any, loaded: Loaded) -> tuple[Settings, dict[str, Any] | None]:
    """Settings of the run and the checkpoint it goes on from; None for a new run.

    Raises `UsageError` when a new run would fall on an old one, or there is nothing to resume.
    """
    if not loaded.settings.training.resume:
        folder.refuse_if_used()
        return loaded.settings, None
    payload = _resume_payload(folder, loaded)
    shape_of(payload, folder.last)  # told before anything is built
    return settings_of(payload, folder.last), payload


def _resume_payload(folder: Any, loaded: Loaded) -> dict[str, Any]:
    """The last checkpoint of the folder; settings given now must equal the run's."""
    from slt_cli.settings.load import flat_values
    from slt_cli.storage.checkpoint import load_checkpoint

    if not folder.last.exists():
        raise UsageError(
            "nothing to resume: there is no last.pt",
            where=str(folder.path),
            hint="leave --resume out",
        )
    payload = load_checkpoint(folder.last)
    now = flat_values(loaded.settings)
    then = flat_values(settings_of(payload, folder.last))
    free = {"training.resume", "data.work_dir", "data.num_workers", "training.device"}
    changed = [k for k in loaded.origins if k in now and k not in free and now[k] != then[k]]
    if changed:
        lines = "".join(f"\n  {key}: {then[key]} -> {now[key]}" for key in changed)
        raise UsageError(
            f"a resumed run keeps its settings; these differ:{lines}", where=str(folder.path),
            hint="leave them out, or start a new run with --init-checkpoint",
        )  # fmt: skip
    moved = (
        {"device": loaded.settings.training.device} if "training.device" in loaded.origins else {}
    )
    payload["settings"]["training"] |= moved
    return payload


def _prepare(settings: Settings, payload: dict[str, Any] | None, report: Report) -> _Run:
    from slt_cli.data.annotations import gloss_vocabulary, read_split
    from slt_cli.pipelines.corpora import corpus_paths

    _check_backbones(settings)
    corpus = corpus_paths(settings.data)
    train_records, val_records = read_split(corpus, "train"), read_split(corpus, "val")

    # A corpus that is not ready is told before the seconds that torch needs.
    from slt_cli.builders import ModelShape, build_dataset, build_tokenizer, load_backbones
    from slt_cli.data.tokenizer import TextTokenizer
    from slt_cli.training.state import seed_everything

    seed_everything(settings.training.seed)
    if payload:
        tokenizer = TextTokenizer.from_json(payload["tokenizer"])
        glosses = list(payload["glosses"])
    else:
        texts = [record.text for record in train_records]
        tokenizer = build_tokenizer(
            settings.model, settings.data.tokenizer, texts, prune=settings.data.prune_vocabulary
        )
        glosses = gloss_vocabulary(train_records) if settings.model.mska_ctc_weight else []
    train = build_dataset(settings, corpus, train_records, tokenizer, glosses, augment=True)
    val = build_dataset(settings, corpus, val_records, tokenizer, glosses, augment=False)
    fingerprint = sha256_json([asdict(r) for r in (*train_records, *val_records)])
    if payload and payload["fingerprint"] != fingerprint:
        raise UsageError(
            "the corpus changed since the run began (ids, texts or glosses)",
            where=str(corpus.root), hint="start a new run with --init-checkpoint",
        )  # fmt: skip
    _warn_infeasible(train, settings, report)
    backbones = None if payload else load_backbones(settings.model)
    shape = ModelShape(
        len(glosses), train.num_points(), train.pose_dim(),
        {part: vit.config for part, vit in (backbones or {}).items()},
    ) if not payload else ModelShape(**payload["shape"])  # fmt: skip
    return _Run(settings, corpus, tokenizer, glosses, train, val, shape, backbones, fingerprint)


def _warn_infeasible(train: Any, settings: Settings, report: Report) -> None:
    """Name the clips that are too short for their glosses: they get no CTC loss."""
    from slt_cli.builders import gloss_length
    from slt_cli.corpus.tables import ctc_frames

    short = [
        record.video_id
        for record, frames in zip(train.records, train.lengths(), strict=True)
        if gloss_length(settings.model, frames) < ctc_frames(record.glosses)
    ]
    if short:
        names = ", ".join(short[:5]) + (" ..." if len(short) > 5 else "")
        report("warning", text=f"{len(short)} clips are too short for their glosses: {names}")


def _fit(
    run: _Run, folder: Any, payload: dict[str, Any] | None, report: Report, should_stop: Any
) -> None:
    from slt_cli.builders import build_model, resolve_device, start_gloss_embedding
    from slt_cli.data.loader import TrainLoader
    from slt_cli.training.loop import fit, parameter_counts
    from slt_cli.training.optim import build_adamw
    from slt_cli.training.signals import ignore_stop_signals
    from slt_cli.training.state import Progress, load_state_dict, state_dict
    from slt_cli.training.validation import Validator

    settings, device = run.settings, resolve_device(run.settings.training.device)
    model = build_model(
        settings, run.shape, run.tokenizer, backbones=run.backbones,
        decoder_config=payload and payload["decoder"],
    )  # fmt: skip
    if payload is None:
        start_gloss_embedding(model, run.glosses, run.tokenizer)
        _load_states(model, settings, report)
    if payload is None and settings.training.init_checkpoint is not None:
        _load_weights(model, settings.training.init_checkpoint, report)
    model.to(device)
    run.train.features = run.val.features = _features(run, model, device, report)
    optimizer = build_adamw(model, lr=settings.optim.lr, weight_decay=settings.optim.weight_decay)
    progress = load_state_dict(payload, model, optimizer) if payload else Progress()
    report("model", **parameter_counts(model))
    config = _loop_config(settings, run.tokenizer)

    def save(progress: Progress, best: bool) -> None:
        folder.save(
            {**_self_contained(run, model), **state_dict(model, optimizer, progress)}, best=best
        )

    fit(
        model, optimizer,
        TrainLoader(
            run.train, batch_size=settings.data.batch_size, num_workers=settings.data.num_workers,
            seed=settings.training.seed, worker_init=ignore_stop_signals,
        ),
        config, progress, device=device, save=save,
        end_of_epoch=Validator(
            model=model, dataset=run.val, tokenizer=run.tokenizer, glosses=run.glosses,
            config=config, batch_size=settings.data.val_batch_size,
            max_length=settings.data.max_target_length,
            generate_every=settings.training.generate_every, metric=settings.training.best_metric,
            folder=folder, device=device, report=report,
        ),
        report=report, should_stop=should_stop,
    )  # fmt: skip


def _loop_config(settings: Settings, tokenizer: Any) -> Any:
    from slt_cli.training.loop import LoopConfig

    optim, model = settings.optim, settings.model
    reference = model.mska_mode == "reference" and "keypoints" in model.streams
    return LoopConfig(
        epochs=settings.training.epochs, lr=optim.lr, warmup_steps=optim.warmup_steps,
        schedule=optim.scheduler, grad_accum_steps=optim.grad_accum_steps,
        clip_grad_norm=optim.clip_grad_norm, label_smoothing=optim.label_smoothing,
        translation_weight=model.mska_translation_weight, ctc_weight=model.mska_ctc_weight,
        distillation_weight=model.mska_distillation_weight,
        distillation_temperature=model.mska_distillation_temperature,
        detach_teacher=model.mska_detach_teacher, masked=model.mska_mode == "masked",
        save_every_steps=settings.training.save_every_steps,
        published_pad=tokenizer.pad_id if reference else None,
    )  # fmt: skip


def _self_contained(run: _Run, model: Any) -> dict[str, Any]:
    """What a checkpoint carries besides the training state, so that it needs no other file."""
    return {
        "kind": "translator",
        "version": __version__,
        "settings": stored_settings(run.settings),
        "shape": asdict(run.shape),
        "decoder": model.decoder.config_dict(),
        "tokenizer": run.tokenizer.to_json(),
        "glosses": run.glosses,
        "fingerprint": run.fingerprint,
        "landmarks": run.train.landmarks(),
    }


def _features(run: _Run, model: Any, device: Any, report: Report) -> Any:
    """Caches of the features of frozen backbones, filled, when the settings ask for them."""
    from slt_cli.builders import build_feature_caches

    ids = [record.video_id for record in (*run.train.records, *run.val.records)]
    return build_feature_caches(
        run.settings, run.corpus, ids, model.encoder, device=device,
        progress=lambda done, total: report("features", done=done, total=total),
    )  # fmt: skip


def _load_states(model: Any, settings: Settings, report: Report) -> None:
    """Start streams from the files that the settings name."""
    from slt_cli.builders import load_mska_encoder_state

    named = settings.model
    files = {"face": named.mska_face_state, "hand": named.mska_hand_state,
             "body": named.mska_body_state}  # fmt: skip
    for line in load_mska_encoder_state(model, **files):
        report("note", text=line)


def _load_weights(model: Any, path: Path, report: Report) -> None:
    """Weights of another run, or those that the authors of MSKA published."""
    from slt_cli.builders.published import is_published_mska, load_published_mska
    from slt_cli.storage.checkpoint import load_checkpoint

    if not path.is_file():
        raise MissingAsset("no such checkpoint", where=str(path), hint="check --init-checkpoint")
    payload = load_checkpoint(path)
    if is_published_mska(payload):
        for line in load_published_mska(model, payload["model"], str(path)):
            report("note", text=line)
        return
    try:
        model.load_state_dict(payload.get("model"))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the checkpoint does not fit this model: {str(error).splitlines()[0]}",
            where=str(path), hint="slt config diff RUN_A RUN_B shows how two runs differ",
        ) from error  # fmt: skip


def _config(run: _Run, loaded: Loaded) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "slt": __version__,
        "torch": version("torch"),
        "preset": loaded.preset,
        "settings": stored_settings(run.settings),
        "overrides": loaded.overrides(),
        "shape": asdict(run.shape),
        "fingerprint": run.fingerprint,
    }


def _result(folder: Any, elapsed_s: float) -> Result:
    metrics = folder.metrics()
    last = metrics[-1] if metrics else {}
    scores = [record["bleu"] for record in metrics if record.get("bleu") is not None]
    return Result(
        "train", text=str(folder.path), outputs=[folder.best, folder.last],
        counts={"epochs": len(metrics)},
        facts={
            "elapsed_s": round(elapsed_s, 1), "last": last,
            "val_bleu": scores[-1] if scores else None,
        },
    )  # fmt: skip
