"""Scores that can be printed in a paper: each one with the signature of all that changes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slt_cli.errors import InputError


@dataclass(frozen=True)
class Score:
    """A corpus-level score in percent and its signature."""

    name: str
    value: float
    signature: str

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"name": self.name, "value": self.value, "signature": self.signature}


def score_text(hypotheses: Sequence[str], references: Sequence[str]) -> list[Score]:
    """BLEU-1..4 and chrF (sacreBLEU), and WER (jiwer), in percent.

    Raises `InputError` when the lists differ in length or are empty.
    """
    _check(hypotheses, references)
    from sacrebleu.metrics import BLEU, CHRF

    scores = []
    for order in (1, 2, 3, 4):
        bleu = BLEU(max_ngram_order=order, effective_order=False)
        value = bleu.corpus_score(list(hypotheses), [list(references)]).score
        scores.append(Score(f"BLEU-{order}", value, f"{bleu.get_signature()}|order:{order}"))
    chrf = CHRF()
    value = chrf.corpus_score(list(hypotheses), [list(references)]).score
    scores.append(Score("chrF", value, str(chrf.get_signature())))
    return [*scores, word_error_rate("WER", hypotheses, references)]


def word_error_rate(name: str, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Word error rate over the corpus in percent: edits / reference words."""
    _check(hypotheses, references)
    import jiwer

    value = 100 * jiwer.wer(list(references), list(hypotheses))
    version = getattr(jiwer, "__version__", None) or _version("jiwer")
    return Score(name, value, f"nrefs:1|case:mixed|tok:whitespace|jiwer:{version}")


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if len(hypotheses) != len(references):
        raise InputError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    if not references:
        raise InputError("nothing to score: no references")


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
