"""The little language: gloss sequences in signed order and the Spanish sentence each one means.

Signed order is TIME SUBJECT OBJECT (QUALITY) VERB (NO or PREGUNTA). Spanish puts the verb before
its object, drops pronouns, conjugates by person and tense, chooses articles by gender and verb, and
in questions moves the time to the end, so that a translator has to do more than look words up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from slt_cli.errors import UsageError
from slt_cli.synthetic.spanish import (
    ADJECTIVES,
    NOUNS,
    PERSONS,
    SUBJECTS,
    TENSES,
    TIMES,
    VERBS,
    Person,
    Tense,
)

Marker = Literal["", "NO", "PREGUNTA"]
_MAX_REPEATS = 3000  # draws in a row that bring nothing new


@dataclass(frozen=True)
class Sentence:
    """What is said. `time` and `quality` may be empty; `time` decides the tense (none: present)."""

    subject: str
    verb: str
    thing: str
    time: str = ""
    quality: str = ""
    marker: Marker = ""

    @property
    def glosses(self) -> tuple[str, ...]:
        """The signs in signed order, three to six of them."""
        words = (self.time, self.subject, self.thing, self.quality, self.verb, self.marker)
        return tuple(word for word in words if word)

    @property
    def text(self) -> str:
        """The Spanish sentence."""
        subject, person = SUBJECTS[self.subject]
        time, tense = TIMES.get(self.time, ("", "present"))
        verb = VERBS[self.verb].forms[tense][PERSONS.index(person)]
        negation = "no" if self.marker == "NO" else ""
        asks = self.marker == "PREGUNTA"
        order = [subject, negation, verb, self._object()]
        words = " ".join(word for word in ([*order, time] if asks else [time, *order]) if word)
        words = words[0].upper() + words[1:]
        return f"¿{words}?" if asks else f"{words}."

    def _object(self) -> str:
        noun, link = NOUNS[self.thing], VERBS[self.verb].link
        gender = "mf".index(noun.gender)
        if link == "indefinite":
            article = "" if noun.mass else ("un", "una")[gender]
        else:
            article = noun.article
        if link == "a":
            article = "al" if article == "el" else f"a {article}"
        quality = ADJECTIVES[self.quality][gender] if self.quality else ""
        return " ".join(word for word in (article, noun.word, quality) if word)


def sample_corpus(
    rng: np.random.Generator, num_train: int, num_val: int, num_test: int
) -> tuple[list[Sentence], list[Sentence], list[Sentence]]:
    """Draw the sentences of the three splits, no two of them alike in glosses or in Spanish.

    All conjugated forms take turns, so that every sign and form occurs in training as often as the
    size allows. Raises `UsageError` when so many different sentences do not exist.
    """
    total = num_train + num_val + num_test
    drawn = _distinct(rng, total)
    order = rng.permutation(total)  # the forms take turns: spread them over the splits
    train, val, test = np.split(order, [num_train, num_train + num_val])
    return [drawn[i] for i in train], [drawn[i] for i in val], [drawn[i] for i in test]


def _distinct(rng: np.random.Generator, count: int) -> list[Sentence]:
    sentences: list[Sentence] = []
    seen: set[object] = set()
    repeats = 0
    for verb, person, tense in _forms(rng):
        if len(sentences) == count:
            return sentences
        sentence = _draw(rng, verb, person, tense)
        if sentence.glosses in seen or sentence.text in seen:
            repeats += 1
            if repeats == _MAX_REPEATS:
                break
            continue
        repeats = 0
        seen |= {sentence.glosses, sentence.text}
        sentences.append(sentence)
    raise UsageError(
        f"the small language has too few sentences to draw {count} different ones",
        hint="ask for fewer sentences",
    )


def _forms(rng: np.random.Generator) -> Iterator[tuple[str, Person, Tense]]:
    """All forms of all verbs in random order, again and again."""
    forms = [(v, p, t) for v in VERBS for p in PERSONS for t in TENSES]
    while True:
        for index in rng.permutation(len(forms)):
            yield forms[index]


def _draw(rng: np.random.Generator, verb: str, person: Person, tense: Tense) -> Sentence:
    thing = _pick(rng, VERBS[verb].objects)
    time = next(name for name, (_, of) in TIMES.items() if of == tense)
    if tense == "present" and rng.random() < 0.4:
        time = ""
    marker: Marker = ("", "NO", "PREGUNTA")[rng.choice(3, p=[0.56, 0.22, 0.22])]
    quality = _pick(rng, NOUNS[thing].qualities) if rng.random() < 0.6 else ""
    subject = _pick(rng, tuple(name for name, (_, of) in SUBJECTS.items() if of == person))
    return Sentence(subject, verb, thing, time, quality, marker)


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[rng.integers(len(names))]
