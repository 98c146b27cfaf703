"""From glosses to what hands and face should do at every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slt_cli.errors import InputError
from slt_cli.synthetic.hands import turn
from slt_cli.synthetic.lexicon import SIGNS
from slt_cli.synthetic.phonology import (
    HANDSHAPES,
    LOCATIONS,
    ORIENTATIONS,
    REST,
    Array,
    Hand,
    Sign,
    minimum_jerk,
)
from slt_cli.synthetic.signers import Signer

HEAD = np.array([0.0, -0.56, -0.02])  # middle of the face, from the middle of the shoulders
TRANSITION_S = 0.15
REST_S = 0.15
# Columns of a state: per hand location 3, finger direction 3, palm direction 3, handshape 13,
# contact point last among them; then brows, mouth and turn of the head.
HAND = 22


@dataclass(frozen=True)
class Timeline:
    """Targets of hands and face per frame, and when each sign is made.

    `states (T, 47)` has the dominant hand first, both hands in right-hand coordinates;
    `time_s (T,)`; `spans_s (N, 2)` is start and end of each sign without its transitions.
    """

    states: Array
    time_s: Array
    spans_s: Array


def plan(glosses: Sequence[str], signer: Signer, rng: np.random.Generator, fps: float) -> Timeline:
    """Lay the signs out in time, from rest to rest, and sample them at `fps` frames per second.

    Brows are raised over the whole utterance if any of its signs asks for it, as in a question.
    Raises `InputError` for a gloss that is not in the lexicon.
    """
    signs = [_lookup(gloss) for gloss in glosses]
    spans, now = [], REST_S
    for sign in signs:
        pace = signer.speed * rng.uniform(0.92, 1.08)
        start = now + TRANSITION_S / pace
        now = start + sign.duration_s / pace
        spans.append((start, now))
    rested = now + 1.5 * TRANSITION_S
    time_s = np.arange(int((rested + REST_S) * fps) + 1) / fps
    performer = _Performer(signer, max((sign.brows for sign in signs), default=0.0), rng)
    states = performer.perform(signs, spans, rested, time_s)
    return Timeline(states, time_s, np.array(spans).reshape(-1, 2))


def _lookup(gloss: str) -> Sign:
    if gloss not in SIGNS:
        raise InputError(
            f"the drawn signer does not know the sign {gloss!r}",
            hint=f"choose among: {', '.join(SIGNS)}",
        )
    return SIGNS[gloss]


@dataclass(frozen=True)
class _Performer:
    """Turns signs into rows of states for one signer and one utterance."""

    signer: Signer
    brows: float
    rng: np.random.Generator

    def perform(
        self, signs: Sequence[Sign], spans: Sequence[tuple[float, float]], end: float, time_s: Array
    ) -> Array:
        """Rows `(T, 47)`: rest, then each sign, joined by minimum-jerk transitions."""
        rest = self._state(REST, REST, np.zeros(1), np.zeros((2, 3)), (0.0, 0.0, 0.0))[0]
        states = np.repeat(rest[None], len(time_s), axis=0)
        previous, left_at = rest, REST_S
        for sign, (start, stop) in zip(signs, spans, strict=True):
            inside = (time_s >= start) & (time_s < stop)
            phase = np.concatenate([[0.0], (time_s[inside] - start) / (stop - start), [1.0]])
            rows = self._sign(sign, phase)
            states[inside] = rows[1:-1]
            _join(states, time_s, (left_at, start), (previous, rows[0]))
            previous, left_at = rows[-1], stop
        _join(states, time_s, (left_at, end), (previous, rest))
        return states

    def _sign(self, sign: Sign, phase: Array) -> Array:
        nudge = self.rng.normal(0, self.signer.jitter, (2, 3))
        if isinstance(sign.other, Hand):
            other = sign.other
        else:
            other = sign.hand if sign.other else REST
        shake = sign.shake * np.sin(4 * np.pi * phase)
        rows = self._state(sign.hand, other, phase, nudge, (self.brows, sign.mouth, 0.0))
        if sign.other == "alternate":
            half = self._state(sign.hand, other, phase + 0.4, nudge, (0.0, 0.0, 0.0))
            rows[:, HAND : 2 * HAND] = half[:, HAND : 2 * HAND]
        rows[:, -1] = shake
        return rows

    def _state(
        self,
        dominant: Hand,
        other: Hand,
        phase: Array,
        nudge: Array,
        face: tuple[float, float, float],
    ) -> Array:
        columns = [
            self._hand(dominant, phase, nudge[0]),
            self._hand(other, phase, nudge[1]),
            np.repeat(np.array(face)[None], len(phase), axis=0),
        ]
        return np.concatenate(columns, axis=1)

    def _hand(self, hand: Hand, phase: Array, nudge: Array) -> Array:
        location = LOCATIONS[hand.location]
        on_head = location.anchor == "head"
        point = np.array(location.at) * (self.signer.head if on_head else 1.0)
        middle = HEAD * [1, self.signer.head, 1] if on_head else 0.0
        path = self.signer.amplitude * hand.movement.path(phase)
        orientation = ORIENTATIONS[hand.orientation]
        fingers = np.repeat(np.array(orientation.fingers)[None], len(phase), axis=0)
        palm = np.repeat(np.array(orientation.palm)[None], len(phase), axis=0)
        shape = HANDSHAPES[hand.shape].vector()
        closed = HANDSHAPES[hand.closing or hand.shape].vector()
        closing = minimum_jerk(np.clip(phase, 0, 1))[:, None]
        return np.concatenate(
            [
                point + middle + nudge + path,
                fingers,
                turn(palm, fingers, hand.movement.wrist_turn(phase)),
                (1 - closing) * shape + closing * closed,
            ],
            axis=1,
        )


def _join(
    states: Array, time_s: Array, between: tuple[float, float], ends: tuple[Array, Array]
) -> None:
    """Fill the frames of a transition, in place."""
    start, stop = between
    inside = (time_s >= start) & (time_s < stop)
    share = minimum_jerk((time_s[inside] - start) / (stop - start))[:, None]
    rows = (1 - share) * ends[0] + share * ends[1]
    for first in (3, 6, HAND + 3, HAND + 6):
        columns = slice(first, first + 3)
        rows[:, columns] = _turn_between(ends[0][columns], ends[1][columns], share)
    states[inside] = rows


def _turn_between(start: Array, end: Array, share: Array) -> Array:
    """Directions `(T, 3)` on the great circle between two (Shoemake's slerp, 1985)."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    angle = np.arccos(np.clip(a @ b, -0.999, 0.999999))
    return (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
