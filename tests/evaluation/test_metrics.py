from __future__ import annotations

import math

import pytest
import sacrebleu

from slt_cli.errors import InputError
from slt_cli.evaluation.metrics import score_text, word_error_rate

HYPOTHESES = ["el gato come pescado hoy", "yo voy a la casa grande"]
REFERENCES = ["el gato come pescado fresco hoy", "yo voy a la casa"]


def test_bleu_and_chrf_equal_sacrebleu_and_carry_its_signature() -> None:
    scores = {score.name: score for score in score_text(HYPOTHESES, REFERENCES)}
    bleu = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES])
    assert scores["BLEU-4"].value == pytest.approx(bleu.score)
    assert scores["chrF"].value == pytest.approx(
        sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    )
    assert "tok:13a" in scores["BLEU-4"].signature
    assert sacrebleu.__version__ in scores["BLEU-4"].signature


def test_bleu_1_is_clipped_precision_times_brevity() -> None:
    scores = {s.name: s.value for s in score_text(["a b b"], ["a b c d"])}
    assert scores["BLEU-1"] == pytest.approx(100 * 2 / 3 * math.exp(1 - 4 / 3))


def test_word_error_rate_is_edits_over_reference_words() -> None:
    # one insertion and one deletion over 6 + 5 words
    assert word_error_rate("WER", HYPOTHESES, REFERENCES).value == pytest.approx(100 * 2 / 11)


def test_an_empty_hypothesis_counts_every_word_as_deleted() -> None:
    assert word_error_rate("WER", [""], ["a b"]).value == pytest.approx(100.0)


@pytest.mark.parametrize(("hypotheses", "references"), [(["a"], ["a", "b"]), ([], [])])
def test_lists_that_do_not_match_are_refused(hypotheses: list[str], references: list[str]) -> None:
    with pytest.raises(InputError):
        score_text(hypotheses, references)
