"""`slt eval`: translate a split, score it, write what was said."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import write_json, write_text

COLUMNS = ("video_id", "prediction", "reference", "gloss_prediction", "gloss_reference")


def plan_evaluate(run: Path | None, loaded: Loaded) -> Result:
    """What `run_evaluate` would do and what it lacks."""
    from slt_cli.data.annotations import missing_tables
    from slt_cli.errors import SltError
    from slt_cli.pipelines.corpora import corpus_paths
    from slt_cli.training.run_folder import find_checkpoint

    settings = loaded.settings
    plan = Plan("eval")
    try:
        checkpoint = find_checkpoint(run)
        plan.steps.append(f"load {checkpoint}")
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    plan.missing += missing_tables(corpus_paths(settings.data), (settings.eval.split,))
    plan.steps.append(f"translate and score the {settings.eval.split} split")
    return plan.as_result(loaded.overrides())


def run_evaluate(run: Path | None, loaded: Loaded, report: Report) -> Result:
    """Score a run on a split and write `predictions.csv` and `report.json`.

    Architecture and preprocessing come from the checkpoint; the corpus comes from the command line,
    or from the run when none is given.
    """
    from slt_cli.training.run_folder import find_checkpoint

    checkpoint = find_checkpoint(run)  # before the seconds that torch needs

    from slt_cli.data.loader import evaluation_batches
    from slt_cli.evaluation.decoding import translate_batches
    from slt_cli.pipelines.restore import restore_run

    settings = loaded.settings
    own_corpus = any(key.startswith("data.") for key in loaded.origins)
    restored = restore_run(checkpoint)
    dataset = restored.dataset(settings.eval.split, settings.data if own_corpus else None)
    hypotheses = translate_batches(
        restored.model, evaluation_batches(dataset, settings.eval.batch_size), restored.tokenizer,
        restored.glosses, device=restored.device, beams=settings.eval.beams,
        length_penalty=settings.eval.length_penalty, max_length=restored.max_length,
        report=report, total=len(dataset),
    )  # fmt: skip
    hypotheses.sort(key=lambda h: h.video_id)
    scores = _scores(hypotheses, settings)
    folder = settings.eval.output_dir or restored.path.parent / "eval" / settings.eval.split
    return _write(folder, hypotheses, scores, restored, settings)


def _scores(hypotheses: list[Any], settings: Settings) -> dict[str, list[dict[str, Any]]]:
    from slt_cli.evaluation.control import swapped_predictions
    from slt_cli.evaluation.metrics import score_text, word_error_rate

    references = [h.reference for h in hypotheses]
    found = {"text": score_text([h.prediction for h in hypotheses], references)}
    glossed = [h for h in hypotheses if h.gloss_reference]
    if glossed:
        found["gloss"] = [
            word_error_rate(
                "gloss WER",
                [h.gloss_prediction for h in glossed],
                [h.gloss_reference for h in glossed],
            )
        ]
    if settings.eval.control:
        found["control"] = score_text(swapped_predictions(hypotheses), references)
    return {kind: [score.as_dict() for score in scores] for kind, scores in found.items()}


def _write(
    folder: Path, hypotheses: list[Any], scores: dict[str, Any], restored: Any, settings: Settings
) -> Result:
    decoding = {"beams": settings.eval.beams, "length_penalty": settings.eval.length_penalty}
    facts = {
        "checkpoint": str(restored.path), "split": settings.eval.split, "clips": len(hypotheses),
        "decoding": decoding, "landmarks": restored.payload["landmarks"], "scores": scores,
    }  # fmt: skip
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, delimiter=";", lineterminator="\n")
    writer.writeheader()
    writer.writerows(h.as_row() for h in hypotheses)
    write_text(folder / "predictions.csv", table.getvalue())
    write_json(folder / "report.json", facts)
    warnings = []
    predictions = {h.prediction for h in hypotheses}
    if len(hypotheses) > 1 and len(predictions) == 1:
        warnings.append(f"every translation is the same: {next(iter(predictions))!r}")
    lines = [
        f"{kind:<8} {score['name']:<10} {score['value']:6.2f}  {score['signature']}"
        for kind, group in scores.items()
        for score in group
    ]
    lines.append(f"predictions: {folder / 'predictions.csv'}")
    return Result(
        "eval", text="\n".join(lines), outputs=[folder / "predictions.csv", folder / "report.json"],
        counts={"clips": len(hypotheses)}, warnings=warnings, facts=facts,
    )  # fmt: skip
