"""Stitched words tell where their letters are, and the yardstick reads the spelling hand."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "fingerspelling"))

from letters import letter_classifier, spelling_hand
from stitch import LANGUAGES, LAYOUT, faceless, right_handed, spellings, stitch, without

from slt_cli.corpus.clip_files import save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import write_index
from slt_cli.data.mirror import mirror_landmarks
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.normalise import normalise_keypoints

POINTS = get_layout(LAYOUT)
RIGHT = list(POINTS.component("RIGHT_HAND"))


def recording(shape: np.ndarray, frames: int = 20) -> np.ndarray:
    """(T, V, 4): shoulders, face and a right hand of the shape (21, 2), all standing still."""
    clip = np.zeros((frames, len(POINTS), 4), np.float32)
    for name, place in (("POSE.LEFT_SHOULDER", (0.7, 0.6)), ("POSE.RIGHT_SHOULDER", (0.3, 0.6))):
        clip[:, POINTS.index(name)] = (*place, 0, 1)
    clip[:, list(POINTS.component("FACE"))] = (0.5, 0.3, 0, 1)
    clip[:, RIGHT] = np.c_[shape, np.zeros(21), np.ones(21)]
    return clip


def alphabet(noise: float = 0.0) -> dict[str, np.ndarray]:
    shapes = np.random.default_rng(0).uniform(0.2, 0.3, (3, 21, 2))
    shapes += np.random.default_rng(1).normal(0, noise, shapes.shape)
    return {letter: recording(shape) for letter, shape in zip("ABC", shapes, strict=True)}


def test_letters_and_pauses_fill_the_clip() -> None:
    letters = alphabet()
    made = stitch(["AB", "CA"], letters, 25, np.random.default_rng(0))
    assert made.frames[0][0] == 0
    assert made.frames[-1][1] == len(made.clip)
    gaps = [after[0] - before[1] for before, after in pairwise(made.frames)]
    assert gaps == [0, 10, 0]  # 0.4 s between the words
    for letter, (start, end) in zip("ABCA", made.frames, strict=True):
        assert 16 <= end - start <= 25  # 20 frames at 0.8 to 1.25 times the speed
        own = made.clip.keypoints[start:end, RIGHT, :2]
        np.testing.assert_allclose(own, np.broadcast_to(letters[letter][0, RIGHT, :2], own.shape))


def test_a_language_that_is_held_out_is_in_no_other_split() -> None:
    ten = {name for names in LANGUAGES.values() for name in names}
    assert len(ten) == 10
    for language in ten:
        split = without(language)
        assert split["test"] == (language,)
        assert set().union(*split.values()) == ten
        assert [len(names) for names in split.values()] == [8, 1, 1]


def test_phrases_are_four_or_five_short_words() -> None:
    words, rng = ["ABC", "ABCD", "ABCDEFGH"], np.random.default_rng(0)
    found = list(spellings(words, 50, 0.0, 0.5, (3, 8), rng))
    phrases = [phrase for phrase in found if len(phrase) > 1]
    assert 10 < len(phrases) < 40
    assert {len(phrase) for phrase in phrases} == {4, 5}
    assert {word for phrase in phrases for word in phrase} == {"ABC", "ABCD"}


def test_without_a_face_the_hand_is_where_it_was() -> None:
    clip = stitch(["AB"], alphabet(), 25, np.random.default_rng(0)).clip
    bare = faceless(clip)
    before, after = normalise_keypoints(clip), normalise_keypoints(bare)
    assert not after["face"].valid.any()
    np.testing.assert_array_equal(after["hand_right"].x, before["hand_right"].x)


def test_a_left_hand_is_read_like_the_right_one_of_a_mirror() -> None:
    clip = stitch(["AB"], alphabet(), 25, np.random.default_rng(0)).clip
    right = spelling_hand(normalise_keypoints(clip))
    left = spelling_hand(normalise_keypoints(mirror_landmarks(clip)))
    assert right.shape == (len(clip), 21, 2)
    np.testing.assert_allclose(left, right, atol=1e-4)


def test_who_spells_with_the_left_hand_is_mirrored() -> None:
    right = alphabet()["A"]
    left = right[:, list(POINTS.flip)]
    left[..., 0] = np.where(left[..., 3] > 0, 1 - left[..., 0], left[..., 0])
    assert right_handed(right) is right
    seen = right[..., 3] > 0
    np.testing.assert_allclose(right_handed(left)[seen], right[seen], atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_the_classifier_reads_letters_of_another_hand(tmp_path: Path, noise: float) -> None:
    corpus, rng = CorpusPaths.from_root(tmp_path), np.random.default_rng(0)
    places = {}
    for split, letters in (("train", alphabet()), ("val", alphabet(noise))):
        for word in ("ABCAB", "CAB"):
            made = stitch([word], letters, 25, rng)
            name = f"{split}_{word}"
            save_clip_keypoints(corpus.keypoints_dir / f"{name}.npz", made.clip)
            places[name] = [(x, *at) for x, at in zip(word, made.frames, strict=True)]
        write_index(corpus.index(split), [f"{split}_ABCAB", f"{split}_CAB"])
    (tmp_path / "letters.json").write_text(json.dumps(places))
    classifier = letter_classifier(corpus)
    hand = spelling_hand(normalise_keypoints(made.clip))
    assert classifier.read([hand[start:end] for start, end in made.frames]) == "CAB"
