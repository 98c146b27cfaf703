"""`report.html` of a training run: curves, scores, settings and translations on one page.

The page is one file without scripts, links or other files, so that it opens from a disk without a
network. Everything that comes from data is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from slt_cli.evaluation.training_report_curves import chart, series_of, shown
from slt_cli.evaluation.training_report_style import STYLE

Metrics = Sequence[Mapping[str, Any]]
"""The records of `metrics.jsonl`."""

SCORE_NAMES = {"bleu": "BLEU-4", "chrf": "chrF", "wer": "WER", "gloss_wer": "gloss WER"}
_RISING = {"bleu", "chrf"}
_MOST_ROWS = 300
_COLUMNS = {
    "epoch": "epoch", "step": "updates", "loss": "loss", "val_loss": "val. loss",
    "perplexity": "perplexity", "val_perplexity": "val. perplexity", **SCORE_NAMES,
    "teacher_forcing": "teacher forcing", "seconds_per_iteration": "s/iteration",
    "samples_per_s": "samples/s", "wait_share": "waiting", "peak_memory_mib": "MiB",
}  # fmt: skip
_CHARTS = (
    ("Loss", "the weighted sum of all terms", {"training": "loss", "validation": "val_loss"}),
    ("Weighted terms", "what each term adds to the training loss",
     {"translation": "loss_translation_weighted", "CTC": "loss_ctc_weighted",
      "distillation": "loss_distillation_weighted"}),
    ("Translation", "loss per clip, unweighted",
     {"training": "loss_translation", "validation": "val_loss_translation"}),
    ("Gloss CTC", "loss per clip, unweighted",
     {"training": "loss_ctc", "validation": "val_loss_ctc"}),
    ("Perplexity", "per word piece of the reference",
     {"training": "perplexity", "validation": "val_perplexity"}),
    ("Scores", "validation split, in percent; higher is better",
     {"BLEU-4": "bleu", "chrF": "chrf"}),
    ("Error rates", "validation split, in percent; lower is better",
     {"WER": "wer", "gloss WER": "gloss_wer"}),
    ("Teacher forcing", "share of reference words that the decoder reads",
     {"share": "teacher_forcing"}),
    ("Speed", "clips trained per second", {"samples/s": "samples_per_s"}),
    ("Waiting for data", "share of the time of a step", {"share": "wait_share"}),
    ("Memory", "most that was held, in MiB", {"MiB": "peak_memory_mib"}),
)  # fmt: skip


def training_page(
    name: str,
    config: Mapping[str, Any],
    metrics: Metrics,
    samples: Mapping[int, Sequence[Mapping[str, str]]],
) -> str:
    """The whole page of the run `name`.

    `config` is what `config.json` holds, `samples` the rows of `samples/epoch-NNN.json` by epoch.
    """
    best = best_epoch(config, metrics)
    body = "".join(
        (
            f"<section class=tiles>{_tiles(metrics, best)}</section>",
            _section("Curves", "", _charts(metrics)),
            _section("Translations", "of a few validation clips", _samples(samples)),
            _section("Epochs", _best_note(config, best), _epochs(metrics, best)),
            _section("Settings", "that are not defaults", _overrides(config)),
        )
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p>slt train</p><h1>{escape(name)}</h1></header>{body}"
        f"<footer>slt {escape(str(config.get('slt', '')))}</footer></main></body></html>\n"
    )


def best_metric(config: Mapping[str, Any]) -> str:
    """The key of `metrics.jsonl` that `best.pt` is best in."""
    training = config.get("settings", {}).get("training", {})
    name = str(training.get("best_metric", "loss"))
    return "val_loss" if name == "loss" else name


def best_epoch(config: Mapping[str, Any], metrics: Metrics) -> Mapping[str, Any] | None:
    """The record of the epoch that `best.pt` is from, None when none has the metric."""
    key = best_metric(config)
    measured = [record for record in metrics if record.get(key) is not None]
    sign = -1 if key in _RISING else 1
    return min(measured, key=lambda record: sign * record[key], default=None)


def _section(title: str, note: str, body: str) -> str:
    told = f"<p class=note>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{told}{body}</section>" if body else ""


def _tiles(metrics: Metrics, best: Mapping[str, Any] | None) -> str:
    if not metrics:
        return _tile("epochs", "0")
    last = metrics[-1]
    tiles = {"epochs": str(last["epoch"]), "updates": f"{last.get('step') or 0:,}"}
    if best is not None:
        tiles["best epoch"] = str(best["epoch"])
    for key, label in {"loss": "loss", "val_loss": "validation loss", **SCORE_NAMES}.items():
        measured = series_of(metrics, key)
        if measured:
            tiles[label] = shown(measured[-1][1])
    return "".join(_tile(label, value) for label, value in tiles.items())


def _tile(label: str, value: str) -> str:
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(label)}</span></div>'


def _charts(metrics: Metrics) -> str:
    drawn = ""
    for title, note, keys in _CHARTS:
        series = {label: series_of(metrics, key) for label, key in keys.items()}
        told = {label: points for label, points in series.items() if any(y for _, y in points)}
        drawn += chart(title, note, told)
    return f"<div class=charts>{drawn}</div>" if drawn else ""


def _samples(samples: Mapping[int, Sequence[Mapping[str, str]]]) -> str:
    rows = [(epoch, row) for epoch in sorted(samples, reverse=True) for row in samples[epoch]]
    columns = {
        "video_id": "clip", "reference": "reference", "prediction": "translation",
        "gloss_reference": "gloss reference", "gloss_prediction": "glosses recognised",
    }  # fmt: skip
    told = {key: label for key, label in columns.items() if any(row.get(key) for _, row in rows)}
    if not told:
        return ""
    body = "".join(
        f"<tr><td class=n>{epoch}</td>"
        + "".join(f"<td class=text>{escape(row.get(key, ''))}</td>" for key in told)
        + "</tr>"
        for epoch, row in rows
    )
    return _table(["epoch", *told.values()], body, numbers=1)


def _best_note(config: Mapping[str, Any], best: Mapping[str, Any] | None) -> str:
    label = _COLUMNS[best_metric(config)]
    return f"bold: the best by {label}" if best is not None else f"no epoch has a {label} so far"


def _epochs(metrics: Metrics, best: Mapping[str, Any] | None) -> str:
    told = {k: v for k, v in _COLUMNS.items() if any(r.get(k) is not None for r in metrics)}
    last = list(metrics)[-_MOST_ROWS:]
    body = "".join(
        f"<tr{' class=best' if record is best else ''}>"
        + "".join(f"<td class=n>{_cell(key, record.get(key))}</td>" for key in told)
        + "</tr>"
        for record in reversed(last)
    )
    return _table(list(told.values()), body, numbers=len(told)) if body else ""


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key == "wait_share":
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else escape(f"{value:.4g}")


def _overrides(config: Mapping[str, Any]) -> str:
    preset = [("preset", config["preset"], "")] if config.get("preset") else []
    rows = [
        *preset,
        *(
            (key, told["value"], told["origin"])
            for key, told in config.get("overrides", {}).items()
        ),
    ]
    body = "".join(
        f"<tr><td><code>{escape(key)}</code></td>"
        f"<td><code>{escape(setting_text(value))}</code></td><td>{escape(str(origin))}</td></tr>"
        for key, value, origin in rows
    )
    return _table(["setting", "value", "from"], body) if body else ""


def setting_text(value: Any) -> str:
    """A setting as it is written in a file: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(heads: Sequence[str], body: str, numbers: int = 0) -> str:
    """A table whose first `numbers` columns hold numbers."""
    cells = "".join(
        f"<th{' class=n' if i < numbers else ''}>{escape(head)}</th>"
        for i, head in enumerate(heads)
    )
    return (
        f"<div class=sheet><table><thead><tr>{cells}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
