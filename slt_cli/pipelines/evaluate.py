"""`slt eval`: translate a split, or recognise its glosses; score it, write what was said."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.atomic import write_json, write_text

if TYPE_CHECKING:
    from slt_cli.data.dataset import ClipDataset
    from slt_cli.evaluation.decoding import Hypothesis
    from slt_cli.evaluation.metrics import Score
    from slt_cli.pipelines.restore import RestoredRun

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
    or from the run when none is given. A run of sign2gloss is scored on its glosses alone, one of
    gloss2text on the texts that it makes of the true glosses.
    """
    from slt_cli.training.run_folder import find_checkpoint

    checkpoint = find_checkpoint(run)  # before the seconds that torch needs

    from slt_cli.pipelines.restore import restore_run

    settings = loaded.settings
    own_corpus = any(key.startswith("data.") for key in loaded.origins)
    restored = restore_run(checkpoint)
    dataset = restored.dataset(settings.eval.split, settings.data if own_corpus else None)
    hypotheses = _hypotheses(restored, dataset, settings, report)
    hypotheses.sort(key=lambda h: h.video_id)
    scores = {
        kind: [score.as_dict() for score in scores]
        for kind, scores in _scores(restored, hypotheses, settings).items()
    }
    folder = settings.eval.output_dir or restored.path.parent / "eval" / settings.eval.split
    return _write(folder, hypotheses, scores, restored, settings)


def _hypotheses(
    restored: RestoredRun, dataset: ClipDataset, settings: Settings, report: Report
) -> list[Hypothesis]:
    from slt_cli.data.loader import evaluation_batches
    from slt_cli.evaluation.decoding import recognise_batches, translate_batches

    batches = evaluation_batches(dataset, settings.eval.batch_size)
    watched = {"device": restored.device, "report": report, "total": len(dataset)}
    if restored.task == "sign2gloss":
        return recognise_batches(restored.model, batches, restored.glosses, **watched)
    return translate_batches(
        restored.model, batches, restored.tokenizer, restored.glosses, beams=settings.eval.beams,
        length_penalty=settings.eval.length_penalty, max_length=restored.max_length, **watched,
    )  # fmt: skip


def _scores(
    restored: RestoredRun, hypotheses: list[Hypothesis], settings: Settings
) -> dict[str, list[Score]]:
    """Scores of what the run was trained to say, and of the same said of other clips."""
    from slt_cli.evaluation.control import swapped_predictions
    from slt_cli.evaluation.metrics import score_text

    if restored.task == "sign2gloss":
        found = {"gloss": [_gloss_score(hypotheses)]}
        if settings.eval.control:
            swapped = swapped_predictions([_glosses_as_text(h) for h in hypotheses])
            pairs = zip(hypotheses, swapped, strict=True)
            found["control"] = [_gloss_score([replace(h, gloss_prediction=s) for h, s in pairs])]
        return found
    references = [h.reference for h in hypotheses]
    found = {"text": score_text([h.prediction for h in hypotheses], references)}
    glossed = [h for h in hypotheses if h.gloss_reference]
    if glossed and restored.recognises_glosses:
        found["gloss"] = [_gloss_score(glossed)]
    if settings.eval.control:
        found["control"] = score_text(swapped_predictions(hypotheses), references)
    return found


def _gloss_score(hypotheses: list[Hypothesis]) -> Score:
    from slt_cli.evaluation.metrics import word_error_rate

    return word_error_rate(
        "gloss WER",
        [h.gloss_prediction for h in hypotheses],
        [h.gloss_reference for h in hypotheses],
    )


def _glosses_as_text(hypothesis: Hypothesis) -> Hypothesis:
    return replace(
        hypothesis, prediction=hypothesis.gloss_prediction, reference=hypothesis.gloss_reference
    )


def _write(
    folder: Path,
    hypotheses: list[Hypothesis],
    scores: dict[str, Any],
    restored: RestoredRun,
    settings: Settings,
) -> Result:
    glosses_alone = restored.task == "sign2gloss"
    decoding = {"beams": settings.eval.beams, "length_penalty": settings.eval.length_penalty}
    facts = {
        "checkpoint": str(restored.path), "task": restored.task, "split": settings.eval.split,
        "clips": len(hypotheses), "decoding": {} if glosses_alone else decoding,
        "landmarks": restored.payload["landmarks"], "scores": scores,
    }  # fmt: skip
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, delimiter=";", lineterminator="\n")
    writer.writeheader()
    writer.writerows(h.as_row() for h in hypotheses)
    write_text(folder / "predictions.csv", table.getvalue())
    write_json(folder / "report.json", facts)
    warnings = []
    predictions = {h.gloss_prediction if glosses_alone else h.prediction for h in hypotheses}
    if len(hypotheses) > 1 and len(predictions) == 1:
        warnings.append(f"every translation is the same: {next(iter(predictions))!r}")
    if restored.task == "gloss2text":
        warnings.append("texts are made of the true glosses, not of signing")
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
