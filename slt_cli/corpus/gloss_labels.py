"""Numbers of glosses, as the `ctc_labels` column gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

TITLE = "gloss numbers do not fit the glosses"
WHY = "each gloss has one number of its own, from 1 on (0 is the CTC blank)"


def label_faults(rows: Iterable[tuple[str, Sequence[str], Sequence[str]]]) -> Iterator[str]:
    """What is wrong with rows of (place, glosses, numbers), one fault each at most.

    How many glosses there are is not known here: a table may use a part of a larger vocabulary.
    """
    number_of: dict[str, str] = {}
    gloss_of: dict[str, str] = {}
    for place, glosses, labels in rows:
        if len(labels) != len(glosses):
            yield f"{place}: {len(labels)} numbers for {len(glosses)} glosses"
            continue
        for gloss, label in zip(glosses, labels, strict=True):
            if not (label.isascii() and label.isdigit() and int(label) > 0):
                yield f"{place}: {gloss} is {label}, which is no number from 1 on"
            elif number_of.setdefault(gloss, label) != label:
                yield f"{place}: {gloss} is {label}, and {number_of[gloss]} before"
            elif gloss_of.setdefault(label, gloss) != gloss:
                yield f"{place}: {gloss} is {label}, which is {gloss_of[label]}"
            else:
                continue
            break
