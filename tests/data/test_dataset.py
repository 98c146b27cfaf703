"""Counts, lengths and augmentation of the samples of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.landmarks.normalise import PUBLISHED, normalise_keypoints
from tests.corpora import write_corpus

FRAMES = 14
AUGMENTATION = {
    "scale": (0.9, 1.1), "rotate": (-10.0, 10.0), "translate": (-0.1, 0.1), "resample": (0.6, 1.6),
}  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return CorpusPaths.from_root(write_corpus(tmp_path, train=2, val=1, test=1, frames=FRAMES))


def dataset(
    corpus: CorpusPaths, augment: KeypointAugmentation | None = None, **inputs: Any
) -> ClipDataset:
    records = read_split(corpus, "train")
    return ClipDataset(
        corpus, records,
        inputs=ModelInputs(**{"streams": ("keypoints",), "sequence_length": 40, **inputs}),
        tokenizer=TextTokenizer.train([record.text for record in records], 300), glosses=(),
        max_target_length=20, augment=augment, seed=0,
    )  # fmt: skip


def test_points_of_each_part_and_values_of_the_pose(corpus: CorpusPaths) -> None:
    made = dataset(corpus)
    assert made.num_points() == {"body": 79, "face": 26, "hand_left": 27, "hand_right": 27}
    assert made.pose_dim() == 0
    pose = dataset(corpus, streams=("pose",), pose="signmusketeers")
    assert pose.num_points() == {}
    assert pose.pose_dim() == 14
    assert pose[0, 0].streams["pose"].shape == (FRAMES, 7, 2)


def test_published_clips_are_a_multiple_of_four_frames_long(corpus: CorpusPaths) -> None:
    for limit, frames in ((40, 12), (8, 8)):
        made = dataset(corpus, keypoints=PUBLISHED, sequence_length=limit)
        assert made.lengths() == [frames, frames]
        sample = made[0, 1]
        assert sample.num_frames == frames
        stored = load_clip_keypoints(corpus.keypoints(sample.video_id))
        first = (FRAMES - frames) // 2 if limit < FRAMES else 0
        body = normalise_keypoints(stored, PUBLISHED)["body"].x[first : first + frames]
        np.testing.assert_array_equal(sample.streams["keypoints_body"], body)


def test_augmented_published_clips_too(corpus: CorpusPaths) -> None:
    made = dataset(
        corpus, KeypointAugmentation(**AUGMENTATION, kind=PUBLISHED), keypoints=PUBLISHED
    )
    lengths = {made[epoch, 0].num_frames for epoch in range(12)}
    assert len(lengths) > 1
    assert all(length % 4 == 0 for length in lengths)


def test_augmented_hands_hang_on_the_augmented_body(corpus: CorpusPaths) -> None:
    """Arm and head points are the body's own; the hand is twice its place relative to the wrist."""
    sample = dataset(corpus, KeypointAugmentation(**AUGMENTATION))[3, 1]
    body = sample.streams["keypoints_body"][..., :2]
    for part, places in (("hand_left", [*range(27)]), ("hand_right", [0, *range(27, 53)])):
        hand = sample.streams[f"keypoints_{part}"][..., :2]
        np.testing.assert_allclose(hand[:, :6], body[:, places[:6]], atol=1e-5)
        fingers = body[:, places[6:]] - body[:, [places[6]]]
        np.testing.assert_allclose(hand[:, 6:], 2 * fingers, atol=1e-5)
    face = sample.streams["keypoints_face"][..., :2]
    np.testing.assert_allclose(face, 4 * (body[:, 53:] - body[:, [63]]), atol=1e-5)


NOTHING = {
    "scale": (1.0, 1.0), "rotate": (0.0, 0.0), "translate": (0.0, 0.0), "resample": (1.0, 1.0),
}  # fmt: skip


def test_frames_lost_in_training_are_filled_like_those_that_were_not_seen(
    corpus: CorpusPaths,
) -> None:
    """A stretch in the middle is filled when it is short enough, zero and missing otherwise."""
    lose = KeypointAugmentation(**NOTHING, lose_frames=5)
    whole = dataset(corpus)[0, 0]
    name = "keypoints_body"
    seen_all = whole.valid[name].all(0)
    lengths = set()
    for epoch in range(30):
        lost = dataset(corpus, lose)[epoch, 0]
        gone = ~lost.valid[name][:, seen_all].any(1)
        lengths.add(int(gone.sum()))
        np.testing.assert_array_equal(lost.streams[name][gone], 0)
        np.testing.assert_array_equal(lost.streams[name][~gone], whole.streams[name][~gone])
        filled = dataset(corpus, lose, interpolate_gap=5)[epoch, 0]
        if not gone[0] and not gone[-1]:
            assert filled.valid[name][:, seen_all].all()
        if gone[1:-1].sum() == 1 == gone.sum():
            at = int(np.flatnonzero(gone)[0])
            middle = (whole.streams[name][at - 1] + whole.streams[name][at + 1]) / 2
            middle[:, 2] /= 2
            np.testing.assert_allclose(filled.streams[name][at], middle, atol=1e-5)
    assert len(lengths) > 3
