"""`slt translate`: videos in, sentences out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from slt_cli.errors import SltError, UsageError
from slt_cli.pipelines.extraction.clip import MemoryClip, extract_in_memory
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.video.probe import missing_path

if TYPE_CHECKING:
    from slt_cli.data.inputs import ModelInputs

Arrays = dict[str, npt.NDArray[Any]]

READ_SIGNING = ("sign2text", "sign2gloss")
"""Tasks whose runs can be given a video."""


@dataclass(frozen=True)
class Translator:
    """A model ready to translate one clip: what it reads, and how it says it.

    `say(streams, valid, frame_valid)` takes arrays with a batch axis of one and returns the text
    and the glosses. `prints` is the one that it was trained for: a run of sign2gloss has no text.
    """

    inputs: ModelInputs
    say: Callable[[Arrays, Arrays, npt.NDArray[np.bool_]], tuple[str, str]]
    prints: Literal["text", "glosses"] = "text"


def plan_translate(videos: Sequence[Path], loaded: Loaded) -> Result:
    """What `run_translate` would do and what it lacks."""
    plan = Plan("translate")
    plan.missing += [f"{path} (no such file)" for path in videos if not path.exists()]
    try:
        model = find_model(loaded.settings.translate.model)
        if model.is_file():
            from slt_cli.pipelines.restore import checked_run

            checked_run(model, READ_SIGNING)
        plan.steps.append(f"load {model}")
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    plan.steps += [f"translate {path}" for path in videos]
    return plan.as_result(loaded.overrides())


def run_translate(videos: Sequence[Path], settings: Settings, report: Report) -> Result:
    """Translate each video; a bad one is reported and the others go on (exit 4, or 3 if all are).

    Raises `UsageError` or `InputError` when there is no usable model, or it reads no signing.
    """
    translator = load_translator(find_model(settings.translate.model), settings)
    done: list[dict[str, Any]] = []
    errors: list[SltError] = []
    for number, video in enumerate(videos, 1):
        try:
            done.append(_translate(video, translator, settings))
        except SltError as error:
            errors.append(error)
        report("translate", done=number, total=len(videos), video=video.name)
    code = 0 if not errors else 4 if done else max(error.exit_code for error in errors)
    as_json = settings.translate.format == "json"
    lines = [
        json.dumps(row, ensure_ascii=False) if as_json else row[translator.prints] for row in done
    ]
    status = "ok" if not errors else "partial" if done else "failed"
    return Result(
        "translate", status, code, "\n".join(lines),
        counts={"translated": len(done), "failed": len(errors)}, errors=errors,
        facts={"videos": done},
    )  # fmt: skip


def find_model(model: Path | None) -> Path:
    """The bundle, checkpoint or run meant by `translate.model`."""
    from slt_cli.training.run_folder import find_checkpoint

    if model is not None and (model / "manifest.json").is_file():
        return model
    return find_checkpoint(model)


def load_translator(path: Path, settings: Settings) -> Translator:
    """A bundle without torch, or a checkpoint with it."""
    return _from_bundle(path, settings) if path.is_dir() else _from_run(path, settings)


def _from_bundle(path: Path, settings: Settings) -> Translator:
    from slt_cli.export.runtime import BundleTranslator

    bundle, search = BundleTranslator(path), settings.eval

    def say(streams: Arrays, valid: Arrays, frame_valid: npt.NDArray[np.bool_]) -> tuple[str, str]:
        encoded = bundle.encode(streams, valid, frame_valid)
        texts = bundle.texts(encoded, beams=search.beams, length_penalty=search.length_penalty)
        return texts[0], bundle.glosses(encoded)[0]

    return Translator(bundle.preprocess.inputs, say)


def _from_run(path: Path, settings: Settings) -> Translator:
    import torch

    from slt_cli.builders import model_inputs
    from slt_cli.data.sample import Batch
    from slt_cli.evaluation.decoding import recognise_batch, translate_batch
    from slt_cli.pipelines.restore import restore_run

    run, search = restore_run(path, tasks=READ_SIGNING), settings.eval
    glosses_alone = run.task == "sign2gloss"

    def say(streams: Arrays, valid: Arrays, frame_valid: npt.NDArray[np.bool_]) -> tuple[str, str]:
        nothing = torch.zeros(1, 1, dtype=torch.long)
        batch = Batch(
            [""], {name: torch.from_numpy(array) for name, array in streams.items()},
            {name: torch.from_numpy(array) for name, array in valid.items()},
            torch.from_numpy(frame_valid), labels=nothing, glosses=nothing,
            gloss_lengths=nothing[0], texts=[""], gloss_texts=[""],
        ).to(run.device)  # fmt: skip
        if glosses_alone:
            return "", recognise_batch(run.model, batch, run.glosses)[0].gloss_prediction
        said = translate_batch(
            run.model, batch, run.tokenizer, run.glosses, beams=search.beams,
            length_penalty=search.length_penalty, max_length=run.max_length,
        )[0]  # fmt: skip
        return said.prediction, said.gloss_prediction

    return Translator(model_inputs(run.settings), say, "glosses" if glosses_alone else "text")


def _translate(video: Path, translator: Translator, settings: Settings) -> dict[str, Any]:
    if not video.exists():
        raise missing_path(video)
    if video.is_dir():
        raise UsageError(
            "a folder, not a video", where=str(video), hint="slt translate FOLDER/*.mp4"
        )
    from slt_cli.data.crops import CROP_FOLDERS

    options = ExtractOptions(
        estimator=settings.extract.estimator, model_sha256=settings.extract.model_sha256,
        signer=settings.extract.signer, on_damage=settings.extract.on_damage,
        streams=tuple(CROP_FOLDERS[s] for s in translator.inputs.streams if s in CROP_FOLDERS),
    )  # fmt: skip
    clip = extract_in_memory(video, options)
    text, glosses = translator.say(*clip_arrays(clip, translator.inputs))
    return {
        "video": str(video), "text": text, "glosses": glosses,
        "frames": len(clip.keypoints), "estimator": clip.keypoints.estimator.get("name"),
        "damaged": clip.damage.is_damaged,
    }  # fmt: skip


def clip_arrays(
    clip: MemoryClip, inputs: ModelInputs
) -> tuple[Arrays, Arrays, npt.NDArray[np.bool_]]:
    """Model inputs of one clip, batch axis first: streams, masks, (1, T) frame mask."""
    from slt_cli.data.crops import CROP_FOLDERS, decode_crop

    streams, valid = inputs.points(clip.keypoints, lambda: clip.pose)
    frames = inputs.frames(clip.keypoints.time_s)
    arrays = {name: array[frames][None] for name, array in streams.items()}
    masks = {name: array[frames][None] for name, array in valid.items()}
    for row, (part, folder) in enumerate(CROP_FOLDERS.items()):
        if part in inputs.streams:
            crops = [decode_crop(clip.crops[folder][i], inputs.image_size) for i in frames]
            arrays[f"crops_{part}"] = np.stack(crops)[None]
            masks[f"crops_{part}"] = (clip.keypoints.crop_source[row, frames] > 0)[None]
    return arrays, masks, np.ones((1, len(frames)), bool)
