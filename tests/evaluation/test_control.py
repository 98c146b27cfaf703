from __future__ import annotations

from slt_cli.evaluation.control import swapped_predictions
from slt_cli.evaluation.decoding import Hypothesis


def said(*pairs: tuple[str, str]) -> list[Hypothesis]:
    return [Hypothesis(str(i), prediction, ref) for i, (prediction, ref) in enumerate(pairs)]


def test_no_clip_keeps_a_translation_of_its_own_sentence() -> None:
    hypotheses = said(("a1", "A"), ("a2", "A"), ("b", "B"), ("c", "C"), ("a3", "A"))
    by_prediction = {h.prediction: h.reference for h in hypotheses}
    for own, other in zip(hypotheses, swapped_predictions(hypotheses), strict=True):
        assert by_prediction[other] != own.reference


def test_a_corpus_of_one_sentence_has_nothing_to_swap() -> None:
    assert swapped_predictions(said(("x", "A"), ("y", "A"))) == ["", ""]
