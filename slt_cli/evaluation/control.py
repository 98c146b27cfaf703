"""The control for a score: the same translations, given to the wrong clips."""

from __future__ import annotations

from collections.abc import Sequence

from slt_cli.evaluation.decoding import Hypothesis


def swapped_predictions(hypotheses: Sequence[Hypothesis]) -> list[str]:
    """For each clip, the translation of another clip whose reference sentence is different.

    A model that only learned the language of the corpus scores as high here as on the right clips.
    Clips are paired half a corpus apart, then the next one with another sentence is taken; a clip
    whose sentence is the only one keeps an empty translation.
    """
    count = len(hypotheses)
    swapped = []
    for index, own in enumerate(hypotheses):
        others = (hypotheses[(index + count // 2 + step) % count] for step in range(count))
        swapped.append(next((o.prediction for o in others if o.reference != own.reference), ""))
    return swapped
