"""`card.md` of a training run: what the model is, for whoever receives its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slt_cli.evaluation.training_report import (
    SCORE_NAMES,
    Metrics,
    best_epoch,
    best_metric,
    setting_text,
)

_CARD = """# {name}

{what}, trained with slt {version}{preset}.

## Data

| | |
|---|---|
{data}

## Model

| | |
|---|---|
{model}

## Training

| setting | value |
|---|---|
{overrides}

## Scores on the validation split

{scores}

{measured}
`slt eval` measures on the test split.

## Use

    slt translate VIDEO --model {name}/best.pt

`config.json` holds every setting, `metrics.jsonl` every epoch, `artifacts.json` the SHA-256 of
every file. Expect lower scores for signers, topics and recordings that the training data lack.
"""
_TASKS = {
    "sign2text": "Translates signing to text",
    "sign2gloss": "Recognises glosses in signing",
    "gloss2text": "Translates glosses to text",
}
_TASK_OF_NONE = "A model of signing"
_UNKNOWN = "not recorded"


def card_text(name: str, config: Mapping[str, Any], metrics: Metrics) -> str:
    """The card of the run `name`; `config` is what `config.json` holds. No licence is made up."""
    settings = config.get("settings", {})
    task = settings.get("training", {}).get("task")
    preset = f" from the preset {config['preset']}" if config.get("preset") else ""
    best = best_epoch(config, metrics)
    return _CARD.format(
        name=name, what=_TASKS.get(task, _TASK_OF_NONE), version=config.get("slt", "?"),
        preset=preset, data=_rows(_data(config)), model=_rows(_model(config)),
        overrides=_rows(_overrides(config)) or "| all | defaults |",
        scores=_scores(best, metrics[-1] if metrics else None),
        measured=f"`best.pt` is best in `{best_metric(config)}`." if best is not None else "",
    )  # fmt: skip


def _rows(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items())


def _cell(value: Any) -> str:
    """One line that no table of Markdown breaks at, and that is text, not HTML."""
    return escape(" ".join(setting_text(value).split()), quote=False).replace("|", "\\|")


def _data(config: Mapping[str, Any]) -> dict[str, Any]:
    clips = config.get("clips") or {}
    landmarks = config.get("landmarks") or {}
    words = [str(landmarks[key]) for key in ("layout", "name", "version") if landmarks.get(key)]
    counts = ", ".join(f"{split} {count:,}" for split, count in clips.items())
    return {
        "clips": counts or _UNKNOWN,
        "clips too short for their glosses, without CTC loss": len(config.get("without_ctc") or []),
        "landmarks (layout, estimator, version)": ", ".join(words) or _UNKNOWN,
        "fingerprint of ids, texts and glosses": config.get("fingerprint") or _UNKNOWN,
    }


def _model(config: Mapping[str, Any]) -> dict[str, Any]:
    model = config.get("settings", {}).get("model", {})
    facts: dict[str, Any] = {
        "streams": ", ".join(model.get("streams") or []) or _UNKNOWN,
        "longest clip": f"{model['sequence_length']} frames; longer ones are thinned evenly in time"
        if "sequence_length" in model else _UNKNOWN,
        "weights before training": "; ".join(config.get("starts") or []) or "random",
    }  # fmt: skip
    parameters = config.get("parameters") or {}
    return facts | {f"parameters: {part}": f"{count:,}" for part, count in parameters.items()}


def _overrides(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told["value"] for key, told in config.get("overrides", {}).items()}


def _scores(best: Mapping[str, Any] | None, last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "No epoch is over yet."
    columns = [("best", best), ("last", last)] if best is not None else [("last", last)]
    head = "| | " + " | ".join(f"{name} (epoch {r['epoch']})" for name, r in columns) + " |"
    lines = [head, "|---|" + "---|" * len(columns)]
    for key, label in {"val_loss": "loss", **SCORE_NAMES}.items():
        values = [record.get(key) for _, record in columns]
        if any(value is not None for value in values):
            cells = " | ".join("-" if value is None else f"{value:.4g}" for value in values)
            lines.append(f"| {label} | {cells} |")
    return "\n".join(lines)
