"""What an epoch is remembered by: losses, perplexity, speed and scores, under their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from slt_cli.evaluation.decoding import Hypothesis
from slt_cli.evaluation.metrics import score_text, word_error_rate
from slt_cli.training.state import Progress

TERMS = ("translation", "ctc", "distillation")
SCORES = ("bleu", "chrf", "wer", "gloss_wer")
_RISING = {"bleu", "chrf"}
_BLEU_ORDER = 4
_LARGEST_EXPONENT = 50.0


def epoch_record(
    progress: Progress,
    means: dict[str, float],
    losses: dict[str, float],
    scores: dict[str, float | None],
    names: Sequence[str],
) -> dict[str, Any]:
    """One line of `metrics.jsonl`: the same keys in every epoch of a run.

    `means` are those of the training epoch as `fit` gives them, `losses` the terms of the
    validation split, `scores` those of its translations, empty in epochs without; `names` are the
    scores that the run has. A key is left out where it can have no value in the run, as perplexity
    without text; None stands for a value that this epoch has not.
    """
    record = {
        "epoch": progress.epoch + 1, "step": progress.step, **_training(progress, means),
        **_validation(losses), **{name: scores.get(name) for name in names},
    }  # fmt: skip
    return {name: _finite(value) for name, value in record.items()}


def to_minimise(record: dict[str, Any], metric: str) -> float:
    """What the best epoch has the least of; infinite where the metric was not measured."""
    value = record["val_loss" if metric == "loss" else metric]
    if value is None:
        return math.inf
    return -float(value) if metric in _RISING else float(value)


def text_scores(hypotheses: Sequence[Hypothesis]) -> dict[str, float | None]:
    """BLEU-4, chrF and WER in percent; None where the references leave one undefined.

    Without a reference word there is nothing to score. BLEU-4 counts runs of four words, so it
    needs a reference that has one.
    """
    references = [h.reference for h in hypotheses]
    if not any(reference.split() for reference in references):
        return dict.fromkeys(("bleu", "chrf", "wer"))
    scores = score_text([h.prediction for h in hypotheses], references)
    named = {score.name: score.value for score in scores}
    bleu = named["BLEU-4"] if max(map(_num_tokens, references)) >= _BLEU_ORDER else None
    return {"bleu": bleu, "chrf": named["chrF"], "wer": named["WER"]}


def _num_tokens(text: str) -> int:
    """Words and punctuation marks as BLEU counts them."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return len(Tokenizer13a()(text).split())


def gloss_error_rate(hypotheses: Sequence[Hypothesis]) -> float | None:
    """Gloss WER in percent over the clips that have glosses; None when none has."""
    glossed = [h for h in hypotheses if h.gloss_reference]
    if not glossed:
        return None
    return word_error_rate(
        "gloss WER", [h.gloss_prediction for h in glossed], [h.gloss_reference for h in glossed]
    ).value


def _training(progress: Progress, means: dict[str, float]) -> dict[str, float | None]:
    """The figures of the training epoch. A term that is not computed is 0, as its weight is."""
    terms: dict[str, float | None] = {"loss": means["loss"]}
    for term in TERMS:
        terms[f"loss_{term}"] = means.get(term, 0.0)
        terms[f"loss_{term}_weighted"] = means.get(f"{term}_weighted", 0.0)
    seconds = max(progress.elapsed_s, 1e-9)
    return {
        **terms,
        **_perplexity("perplexity", means),
        "teacher_forcing": means.get("teacher_forcing", 1.0),
        "train_s": round(progress.elapsed_s, 3),
        "seconds_per_iteration": means.get("seconds_per_iteration"),
        "samples_per_s": round(means["clips"] / seconds, 2),
        "frames_per_s": round(means["frames"] / seconds, 1),
        "wait_share": means.get("wait_share"),
        "peak_memory_mib": means.get("peak_memory_mib"),
    }


def _validation(losses: dict[str, float]) -> dict[str, float | None]:
    terms = {f"val_loss_{term}": losses.get(term, 0.0) for term in TERMS}
    return {"val_loss": losses["loss"], **terms, **_perplexity("val_perplexity", losses)}


def _perplexity(name: str, losses: dict[str, float]) -> dict[str, float | None]:
    """Of the target tokens; nothing where no text is trained."""
    if "token" not in losses:
        return {}
    return {name: math.exp(min(losses["token"], _LARGEST_EXPONENT))}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: such a figure is not defined."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
