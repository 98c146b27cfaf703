"""Splits of a corpus by video, and the texts that would leak from one to another."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.paths import SPLITS
from slt_cli.errors import InputError

SIMILAR = 0.9
_SHINGLE = 4
_TRIALS = 4000
_BALANCED = 0.01


@dataclass(frozen=True)
class SplitClip:
    """What a split needs to know of a clip: `weight` is its share of the whole (seconds, or 1)."""

    clip_id: str
    video: str
    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Splits:
    """Clip ids by split, the share of the weight each one got, and what could not be kept apart.

    `leaks` are the clips of val and test whose text, or nearly the same, is in another split too.
    """

    ids: Mapping[str, tuple[str, ...]]
    shares: Mapping[str, float]
    leaks: tuple[str, ...]


def make_splits(clips: Sequence[SplitClip], ratios: Sequence[float], seed: int) -> Splits:
    """Deal whole videos to train, val and test so that their weights come close to `ratios`.

    Videos that share a text, or nearly, stay together where they can; where that would tie up more
    than the largest split, as few texts as a seeded search finds are shared. The result depends on
    the seed and on the clips, not on their order. Raises `InputError` when there are fewer videos
    than splits.
    """
    wanted = {split: ratio for split, ratio in zip(SPLITS, ratios, strict=True) if ratio > 0}
    clips = sorted(clips, key=lambda clip: (clip.video, clip.clip_id))
    groups = near_duplicate_groups([clip.text for clip in clips])
    videos = list(dict.fromkeys(clip.video for clip in clips))
    if len(videos) < len(wanted):
        raise InputError(
            f"{len(videos)} videos cannot make {len(wanted)} splits without sharing one",
            hint="give fewer splits a share: --split-ratios 0.8,0.2,0",
        )
    deal = _Deal(clips, groups, list(wanted.values()))
    rng = np.random.default_rng(seed)
    deal.greedy(rng)
    deal.improve(rng)
    names = list(wanted)
    home = {video: names[deal.home[deal.unit_of[video]]] for video in videos}
    ids = {split: tuple(c.clip_id for c in clips if home[c.video] == split) for split in names}
    shares = dict(zip(names, (float(share) for share in deal.shares()), strict=True))
    return Splits(ids, shares, _leaks(clips, groups, home))


def near_duplicate_groups(texts: Sequence[str]) -> list[int]:
    """A number for each text, equal for texts that are the same or nearly so.

    Case, accents, spaces and punctuation do not count. Texts are near when the Jaccard similarity
    of their character shingles reaches 0.9. Candidates come from an inverted index of each text's
    rarest shingles: similar sets must share one of them (prefix filtering, Chaudhuri et al. 2006).
    """
    plain = [_plain(text) for text in texts]
    distinct = sorted(set(plain))
    sets = [_shingles(text) for text in distinct]
    frequency = Counter(shingle for shingles in sets for shingle in shingles)
    groups = _Groups(len(distinct))
    index: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(sets)), key=lambda n: (len(sets[n]), distinct[n])):
        shingles = sets[number]
        rarest = sorted(shingles, key=lambda shingle: (frequency[shingle], shingle))
        prefix = rarest[: len(rarest) - math.ceil(SIMILAR * len(rarest) - 1e-9) + 1]
        for other in {o for shingle in prefix for o in index[shingle]}:
            shared = len(shingles & sets[other])
            if shared >= SIMILAR * (len(shingles) + len(sets[other]) - shared):
                groups.join(number, other)
        for shingle in prefix:
            index[shingle].append(number)
    number_of = {text: groups.root(number) for number, text in enumerate(distinct)}
    return [number_of[text] for text in plain]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if character.isalnum())


def _shingles(text: str) -> frozenset[str]:
    if len(text) <= _SHINGLE:
        return frozenset({text}) if text else frozenset()
    return frozenset(text[i : i + _SHINGLE] for i in range(len(text) - _SHINGLE + 1))


def _leaks(clips: Sequence[SplitClip], groups: list[int], home: dict[str, str]) -> tuple[str, ...]:
    places: dict[int, set[str]] = defaultdict(set)
    for clip, group in zip(clips, groups, strict=True):
        places[group].add(home[clip.video])
    return tuple(
        clip.clip_id
        for clip, group in zip(clips, groups, strict=True)
        if clip.text and home[clip.video] != SPLITS[0] and len(places[group]) > 1
    )


class _Groups:
    """Disjoint sets of numbers."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        self._parent[max(a, b)] = min(a, b)


class _Deal:
    """Units (videos, or videos tied by shared texts) and the split each one is in."""

    def __init__(self, clips: Sequence[SplitClip], groups: list[int], ratios: list[float]) -> None:
        self.ratios = np.array(ratios) / sum(ratios)
        videos = list(dict.fromkeys(clip.video for clip in clips))
        self.unit_of = self._units(clips, groups, videos)
        count = max(self.unit_of.values()) + 1
        self.weights = np.zeros(count)
        self.texts: list[Counter[int]] = [Counter() for _ in range(count)]
        for clip, group in zip(clips, groups, strict=True):
            unit = self.unit_of[clip.video]
            self.weights[unit] += max(clip.weight, 0.0)
            if clip.text:
                self.texts[unit][group] += 1
        self.weights /= self.weights.sum() or 1.0
        self.home = np.zeros(count, dtype=np.int64)

    def _units(
        self, clips: Sequence[SplitClip], groups: list[int], videos: list[str]
    ) -> dict[str, int]:
        """Videos tied by their texts, unless a tie is larger than the largest split."""
        place = {video: number for number, video in enumerate(videos)}
        tied = _Groups(len(videos))
        first: dict[int, int] = {}
        weight: dict[int, float] = defaultdict(float)
        for clip, group in zip(clips, groups, strict=True):
            if clip.text:
                tied.join(place[clip.video], first.setdefault(group, place[clip.video]))
        for clip in clips:
            weight[tied.root(place[clip.video])] += max(clip.weight, 0.0)
        roots = sorted(weight)
        total = sum(weight.values()) or 1.0
        if len(roots) < len(self.ratios) or max(weight.values()) / total > self.ratios.max():
            return place
        number_of = {root: number for number, root in enumerate(roots)}
        return {video: number_of[tied.root(place[video])] for video in videos}

    def shares(self) -> npt.NDArray[np.float64]:
        """Weight of each split."""
        totals = np.zeros(len(self.ratios))
        np.add.at(totals, self.home, self.weights)
        return totals

    def greedy(self, rng: np.random.Generator) -> None:
        """In random order, give each unit to the split that lacks most; none stays empty."""
        filled = np.zeros(len(self.ratios))
        order = rng.permutation(len(self.weights))
        for place, unit in enumerate(order):
            lack = 1 - filled / self.ratios
            empty = [split for split in range(len(self.ratios)) if filled[split] == 0]
            if len(order) - place <= len(empty):
                lack[[split for split in range(len(lack)) if split not in empty]] = -np.inf
            self.home[unit] = int(np.argmax(lack))
            filled[self.home[unit]] += max(self.weights[unit], 1e-12)

    def improve(self, rng: np.random.Generator) -> None:
        """Move or swap units at random as long as texts leak less and the shares stay close."""
        counts = self._text_counts()
        error, leaks = self._error(), sum(self._leak(count) for count in counts.values())
        for _ in range(_TRIALS):
            a, b = rng.integers(len(self.home), size=2)
            before = self.home.copy()
            if rng.random() < 0.5:
                self.home[a], self.home[b] = self.home[b], self.home[a]
            else:
                self.home[a] = rng.integers(len(self.ratios))
            if np.array_equal(before, self.home):
                continue
            new_error = self._error()
            change = self._shift(counts, before, (a, b))
            better = (max(new_error, _BALANCED), leaks + change, new_error)
            if better < (max(error, _BALANCED), leaks, error):
                error, leaks = new_error, leaks + change
            else:
                after, self.home = self.home, before
                self._shift(counts, after, (a, b))

    def _error(self) -> float:
        """Largest distance of a share from its ratio; infinite while a split is empty."""
        if len(set(self.home.tolist())) < len(self.ratios):
            return float("inf")
        return float(np.abs(self.shares() - self.ratios).max())

    def _text_counts(self) -> dict[int, list[int]]:
        counts: dict[int, list[int]] = defaultdict(lambda: [0] * len(self.ratios))
        for unit, texts in enumerate(self.texts):
            for group, number in texts.items():
                counts[group][self.home[unit]] += number
        return counts

    def _shift(
        self, counts: dict[int, list[int]], before: npt.NDArray[np.int64],
        units: tuple[int, int],
    ) -> int:  # fmt: skip
        """Bring `counts` from the homes `before` to those of now; how much the leaks change."""
        touched = {group for unit in units for group in self.texts[unit]}
        old = sum(self._leak(counts[group]) for group in touched)
        for unit in set(units):
            for group, number in self.texts[unit].items():
                counts[group][before[unit]] -= number
                counts[group][self.home[unit]] += number
        return sum(self._leak(counts[group]) for group in touched) - old

    @staticmethod
    def _leak(count: list[int]) -> int:
        """Clips outside the first split whose text is in another split too."""
        return sum(count[1:]) if sum(number > 0 for number in count) > 1 else 0
