"""Counts, lengths and augmentation of the samples of a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.augment import KeypointAugmentation, shift_bounds
from slt_cli.data.collate import collate
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError
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


@pytest.mark.parametrize("limit", [5, 8, FRAMES - 1, FRAMES, FRAMES + 1, 64])
@pytest.mark.parametrize("train", [False, True])
def test_a_short_clip_keeps_every_frame_once_and_a_long_one_both_ends(
    corpus: CorpusPaths, limit: int, train: bool
) -> None:
    """Nothing real is masked, nothing repeated, whatever the room."""
    made = dataset(
        corpus, KeypointAugmentation(**NOTHING) if train else None, sequence_length=limit
    )
    whole = dataset(corpus, sequence_length=1000)[0, 0].streams["keypoints_body"]
    batch = collate([made[0, 0], made[0, 1]])
    frames = min(limit, FRAMES)
    assert batch.frame_valid.tolist() == [[True] * frames] * 2
    assert made.lengths() == [frames] * 2
    found = batch.streams["keypoints_body"][0].numpy()
    even = np.unique(np.round(np.linspace(0, FRAMES - 1, frames)).astype(int))
    places = [int(np.abs(whole - frame).sum((1, 2)).argmin()) for frame in found]
    assert len(set(places)) == frames
    assert np.abs(np.array(places) - np.linspace(0, FRAMES - 1, frames)).max() <= 0.5 + 1e-9
    assert (places[0], places[-1]) == (even[0], even[-1]) == (0, FRAMES - 1)
    np.testing.assert_allclose(found, whole[places], atol=1e-5)


def test_jitter_cuts_a_share_of_the_time_off_either_end(corpus: CorpusPaths) -> None:
    """Of a clip whose second half is ten times as dense: time counts, not frames."""
    time_s = np.concatenate([np.linspace(0, 1, 11), np.linspace(1.01, 2, 100)])
    jitter = KeypointAugmentation(**NOTHING, jitter=0.25)
    spans = [jitter.span(time_s, np.random.default_rng(seed)) for seed in range(300)]
    first = np.array([time_s[span[0]] for span in spans])
    last = np.array([time_s[span[-1]] for span in spans])
    assert all((np.diff(span) == 1).all() for span in spans)
    assert 0 <= first.min() < 0.11
    assert 0.4 < first.max() <= 0.6
    assert 1.5 <= last.min() < 1.51
    assert 1.97 < last.max() <= 2.0
    assert abs(np.corrcoef(first, last)[0, 1]) < 0.2


def test_jitter_leaves_at_least_one_frame_and_changes_a_clip_from_epoch_to_epoch(
    corpus: CorpusPaths,
) -> None:
    jitter = KeypointAugmentation(**NOTHING, jitter=0.49)
    far = np.array([0.0, 10.0])
    assert {len(jitter.span(far, np.random.default_rng(seed))) for seed in range(50)} == {1}
    assert jitter.span(np.array([3.0]), np.random.default_rng(0)).tolist() == [0]
    made = dataset(corpus, jitter)
    lengths = [made[epoch, 0].num_frames for epoch in range(30)]
    assert 1 <= min(lengths) < max(lengths) <= FRAMES
    assert lengths == [made[epoch, 0].num_frames for epoch in range(30)]


def test_no_frame_is_read_twice_of_a_clip_that_is_longer_than_the_room_even_when_slowed(
    corpus: CorpusPaths,
) -> None:
    slow = KeypointAugmentation(**{**NOTHING, "resample": (0.7, 0.7)})
    made = dataset(corpus, slow, sequence_length=10)
    frames = made[0, 0].streams["keypoints_body"]
    assert len(frames) == 10
    assert len(np.unique(frames.reshape(10, -1), axis=0)) == 10


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ((0.2,), [-0.2, -0.2], [0.2, 0.2]),
        ((-0.1, 0.3), [-0.1, -0.1], [0.3, 0.3]),
        ((-1.0, -0.5, 0.5, 2.0), [-1.0, 0.5], [-0.5, 2.0]),
    ],
)
def test_shifts_are_given_as_one_two_or_four_numbers(
    values: tuple[float, ...], low: list[float], high: list[float]
) -> None:
    np.testing.assert_array_equal(shift_bounds(values), [low, high])
    shift = KeypointAugmentation(**{**NOTHING, "translate": values})
    body = {"body": np.zeros((1, 79, 3), np.float32)}
    moved = np.array(
        [shift.points(body, np.random.default_rng(seed))["body"][0, 0, :2] for seed in range(200)]
    )
    spread = np.subtract(high, low)
    assert (moved.min(0) >= low).all()
    assert (moved.max(0) <= high).all()
    assert (np.ptp(moved, axis=0) > 0.9 * spread).all()


def test_the_survey_says_what_reading_the_clips_would(corpus: CorpusPaths) -> None:
    made = dataset(corpus)
    assert made.lengths() == [made[0, index].num_frames for index in range(2)] == [FRAMES] * 2
    assert made.landmarks()["layout"] == "mediapipe_holistic_543"
    path = corpus.keypoints("train_001")
    clip = load_clip_keypoints(path)
    save_clip_keypoints(path, replace(clip, estimator={"name": "another"}))
    with pytest.raises(InputError, match=r"train_000 has .* train_001 has .*another"):
        dataset(corpus).landmarks()
