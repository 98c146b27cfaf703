"""`slt export`: from a run to a bundle that translates without torch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt_cli import __version__
from slt_cli.errors import InputError, SltError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import write_text

if TYPE_CHECKING:
    from slt_cli.data.dataset import ClipDataset
    from slt_cli.data.sample import Batch
    from slt_cli.export.parity import Difference, TextCheck
    from slt_cli.export.preprocess import Preprocess
    from slt_cli.pipelines.restore import RestoredRun

EXPORTS = Path("exports")
TASKS = ("sign2text",)  # a bundle makes texts of signing, and is checked on them
TEXT_CLIPS = 40  # clips of the text check
CLIPS_PER_BATCH = 8


def plan_export(run: Path | None, loaded: Loaded) -> Result:
    """What `run_export` would do and what it lacks."""
    from slt_cli.export.bundle import refuse_existing
    from slt_cli.pipelines.restore import checked_run

    settings = loaded.settings.export
    plan = Plan("export")
    try:
        checkpoint, *_ = checked_run(run, TASKS)
        output = settings.output or _default_output(checkpoint)
        plan.steps += [
            f"load {checkpoint}",
            f"write encoder.onnx and decoder.onnx (opset {settings.opset}) to {output}/",
            "compare them with the model, tensor by tensor and text by text",
        ]
        refuse_existing(output, overwrite=settings.overwrite)
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    return plan.as_result(loaded.overrides())


def run_export(run: Path | None, settings: Settings, report: Report) -> Result:
    """Export the checkpoint meant by RUN and check it against its model.

    The text check reads the validation split of the run's own corpus, or of `data.corpus` when that
    is given. Raises `UsageError` when the bundle exists or the run does not make texts of signing,
    and `VerificationError` when the bundle does not match the model; no bundle is left then.
    """
    from slt_cli.export.bundle import new_bundle
    from slt_cli.training.run_folder import find_checkpoint

    started = time.monotonic()
    checkpoint = find_checkpoint(run)
    output = settings.export.output or _default_output(checkpoint)
    with new_bundle(output, overwrite=settings.export.overwrite) as stage:
        from slt_cli.pipelines.restore import restore_run  # torch takes seconds

        restored = restore_run(checkpoint, device="cpu", tasks=TASKS)
        clips, notes = _validation_clips(restored, settings)
        spec = _preprocess(restored)
        parts = _Parts(restored, spec, clips)
        _write(parts, stage, output.name, settings, report)
        differences, text = _verify(parts, stage, settings, report)
        sizes = {file.name: file.stat().st_size for file in sorted(stage.iterdir())}
    if not text.informative:
        seen = f"it saw {text.distinct} different translations, of {text.source}"
        notes.append(f"the text check says little: {seen}")
    return _result(output, differences, text, sizes, notes, time.monotonic() - started)


@dataclass(frozen=True)
class _Parts:
    restored: RestoredRun
    preprocess: Preprocess
    clips: ClipDataset | None


def _default_output(checkpoint: Path) -> Path:
    return EXPORTS / checkpoint.absolute().parent.name


def _validation_clips(
    restored: RestoredRun, settings: Settings
) -> tuple[ClipDataset | None, list[str]]:
    """The clips of the text check. A corpus named now must be usable; the run's own may be gone."""
    named = bool(settings.data.model_fields_set)
    try:
        clips = restored.dataset("val", settings.data if named else None)
        points = clips.num_points()
        if points and points != restored.payload["shape"]["num_points"]:
            raise InputError(
                f"the corpus has other points than the run: {points}", where=str(clips.corpus.root),
                hint="name a corpus that was extracted like the training corpus",
            )  # fmt: skip
    except SltError as error:
        if named:
            raise
        return None, [f"text checked on random inputs: {error.message}; name a corpus with --data"]
    return clips, []


def _preprocess(restored: RestoredRun) -> Preprocess:
    from slt_cli.export.preprocess import Preprocess

    model, data, tokenizer = restored.settings.model, restored.settings.data, restored.tokenizer
    landmarks = restored.payload["landmarks"]
    return Preprocess(
        layout=landmarks["layout"], normalisation=data.keypoint_normalization,
        streams=tuple(model.streams), num_points=restored.payload["shape"]["num_points"],
        sequence_length=model.sequence_length, image_size=model.image_size,
        pose_landmarks=model.pose_landmarks, glosses=tuple(restored.glosses),
        bos_id=restored.model.decoder.bos_id, eos_id=tokenizer.eos_id, pad_id=tokenizer.pad_id,
        max_length=restored.max_length, landmarks=_without_folders(landmarks),
        interpolate_gap=data.keypoint_interpolate_gap, pose_normalisation=data.pose_normalization,
        center=data.keypoint_normalize_center,
    )  # fmt: skip


def _without_folders(value: Any) -> Any:
    """A copy in which absolute paths are cut to their last name: a bundle tells no user names."""
    if isinstance(value, Mapping):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and (Path(value).is_absolute() or value.startswith("~")):
        return Path(value).name
    return value


def _write(parts: _Parts, stage: Path, name: str, settings: Settings, report: Report) -> None:
    from slt_cli.export.bundle import CARD, PREPROCESS, TOKENIZER, write_manifest
    from slt_cli.export.card import card_text
    from slt_cli.export.onnx import export_onnx

    restored, spec = parts.restored, parts.preprocess
    report("export", done=0, total=2)
    export_onnx(restored.model, spec, stage, opset=settings.export.opset)
    report("export", done=2, total=2)
    write_text(stage / TOKENIZER, restored.tokenizer.to_json())
    write_text(stage / PREPROCESS, spec.to_json())
    card = card_text(
        name, spec, version=__version__, train_clips=_train_clips(parts.clips),
        scores=_known_scores(restored.path.parent),
    )  # fmt: skip
    write_text(stage / CARD, card)
    write_manifest(stage, {})


def _train_clips(clips: ClipDataset | None) -> int | None:
    from slt_cli.data.annotations import read_split

    try:
        return len(read_split(clips.corpus, "train")) if clips else None
    except SltError:
        return None


def _known_scores(run: Path) -> list[str]:
    """Scores that `slt eval` left in the run folder, with split, search and signature."""
    lines = []
    for path in sorted(run.glob("eval/*/report.json")):
        try:
            found = json.loads(path.read_text("utf-8"))
            data = f"{found['split']}, {found['clips']} clips, {found['decoding']['beams']} beams"
            for score in (*found["scores"]["text"], *found["scores"].get("gloss", ())):
                lines.append(f"{score['name']} {score['value']:.2f} ({data}; {score['signature']})")
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return lines


def _verify(
    parts: _Parts, stage: Path, settings: Settings, report: Report
) -> tuple[list[Difference], TextCheck]:
    """Both checks; their outcome is added to the manifest."""
    from slt_cli.export.bundle import write_manifest
    from slt_cli.export.parity import check_tensors, check_text
    from slt_cli.export.runtime import BundleTranslator

    model = parts.restored.model
    differences = check_tensors(
        model, parts.preprocess, stage, tolerance=settings.export.tolerance, report=report
    )
    text = check_text(
        model, BundleTranslator(stage), _text_batches(parts),
        source="the validation split" if parts.clips else "random inputs",
        beams=settings.eval.beams, length_penalty=settings.eval.length_penalty, report=report,
    )  # fmt: skip
    write_manifest(stage, {"parity": _worst(differences), "text_check": text.as_dict()})
    return differences, text


def _text_batches(parts: _Parts) -> Iterator[Batch]:
    """Clips from all over the split, with clips of different lengths side by side."""
    from slt_cli.data.collate import collate
    from slt_cli.export.parity import random_batches

    clips = parts.clips
    if clips is None:
        yield from random_batches(parts.preprocess, clips=TEXT_CLIPS, per_batch=CLIPS_PER_BATCH)
        return
    chosen = range(0, len(clips), max(1, len(clips) // TEXT_CLIPS))[:TEXT_CLIPS]
    for start in range(0, len(chosen), CLIPS_PER_BATCH):
        yield collate([clips[0, index] for index in chosen[start : start + CLIPS_PER_BATCH]])


def _worst(differences: list[Difference]) -> dict[str, float]:
    """Largest relative difference of each tensor."""
    tensors = dict.fromkeys(difference.tensor for difference in differences)
    return {name: max(d.relative for d in differences if d.tensor == name) for name in tensors}


def _result(
    output: Path, differences: list[Difference], text: TextCheck, sizes: dict[str, int],
    notes: list[str], elapsed_s: float,
) -> Result:  # fmt: skip
    return Result(
        "export", text=str(output), outputs=[output], warnings=notes,
        counts={"clips": text.clips, "texts": text.compared},
        facts={
            "parity": _worst(differences),
            "shapes": sorted({difference.shape for difference in differences}),
            "text_check": text.as_dict(), "bytes": sizes, "elapsed_s": round(elapsed_s, 1),
        },
    )  # fmt: skip
