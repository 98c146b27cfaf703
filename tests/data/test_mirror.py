"""A mirrored clip is the clip of the mirrored recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.data.annotations import read_split
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.mirror import mirror_keypoints, mirror_stored_pose
from slt_cli.data.sample import ClipSample
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, StreamArray, normalise_keypoints
from slt_cli.landmarks.signing_space import signing_space_v1
from slt_cli.landmarks.signmusketeers import signmusketeers_pose
from tests.data.crop_corpus import write_crop_corpus
from tests.landmarks.points import Clip

FRAMES = 5
ALWAYS = {
    "scale": (1.0, 1.0), "rotate": (0.0, 0.0), "translate": (0.0,), "resample": (1.0, 1.0),
    "mirror": 1.0,
}  # fmt: skip


def recording(layout: str, seed: int = 0) -> Clip:
    """Points anywhere, a fifth of them missing."""
    rng, count = np.random.default_rng(seed), len(get_layout(layout))
    keypoints = rng.uniform(0.1, 0.9, (FRAMES, count, 3)).astype(np.float32)
    valid = rng.random((FRAMES, count)) > 0.2
    return Clip(keypoints * valid[..., None], valid, (640, 480), layout)


def film_in_a_mirror(clip: Clip) -> Clip:
    """Names change their side, told by the names themselves; the face by its layout."""
    layout = get_layout(clip.layout)
    other_side = []
    for i, name in enumerate(layout.points):
        swapped = name.replace("LEFT", "?").replace("RIGHT", "LEFT").replace("?", "RIGHT")
        other_side.append(layout.flip[i] if name.startswith("FACE") else layout.index(swapped))
    keypoints, valid = clip.keypoints[:, other_side].copy(), clip.valid[:, other_side]
    keypoints[..., 0] = (1 - keypoints[..., 0]) * valid
    return Clip(keypoints, valid, clip.frame_size, clip.layout)


def mirrored(
    streams: dict[str, StreamArray], layout: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    points = {name: part.x for name, part in streams.items()}
    valid = {name: part.valid for name, part in streams.items()}
    return mirror_keypoints(points, valid, get_layout(layout))


@pytest.mark.parametrize("layout", [*LAYOUTS, "hands_and_nose_3"])
@pytest.mark.parametrize(("kind", "center"), [(SIGNER, True), (SIGNER, False), (PUBLISHED, True)])
def test_mirrored_streams_are_those_of_the_mirrored_recording(
    layout: str, kind: str, center: bool
) -> None:
    clip = recording(layout)
    expected = normalise_keypoints(film_in_a_mirror(clip), kind, center=center)
    points, valid = mirrored(normalise_keypoints(clip, kind, center=center), layout)
    assert points.keys() == expected.keys()
    for name, part in expected.items():
        np.testing.assert_array_equal(valid[name], part.valid)
        np.testing.assert_allclose(points[name], part.x, atol=1e-5)


@pytest.mark.parametrize("kind", [SIGNER, PUBLISHED])
def test_two_mirrors_change_nothing(kind: str) -> None:
    clip = recording(LAYOUTS[0])
    streams = normalise_keypoints(clip, kind)
    points, valid = mirrored(streams, clip.layout)
    points, valid = mirror_keypoints(points, valid, get_layout(clip.layout))
    for name, part in streams.items():
        np.testing.assert_array_equal(points[name], part.x)
        np.testing.assert_array_equal(valid[name], part.valid)


def stored_pose(clip: Clip, count: int) -> tuple[np.ndarray, np.ndarray]:
    """As the data set reads it."""
    flat = signing_space_v1(clip.keypoints, clip.valid, get_layout(clip.layout), count)
    pose = flat.reshape(len(flat), -1, 3)
    return np.maximum(pose, 0), pose[..., 0] >= 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mirrored_pose_is_that_of_the_mirrored_recording(layout: str) -> None:
    clip = recording(layout)
    before = stored_pose(clip, 17)
    expected, seen = stored_pose(film_in_a_mirror(clip), 17)
    pose, valid = mirror_stored_pose(*before, get_layout(layout))
    assert 0 < seen.sum() < seen.size
    np.testing.assert_array_equal(valid, seen)
    np.testing.assert_allclose(pose, expected, atol=1e-5)
    again, valid = mirror_stored_pose(pose, valid, get_layout(layout))
    np.testing.assert_allclose(again, before[0], atol=1e-6)
    np.testing.assert_array_equal(valid, before[1])


def test_a_pose_point_whose_counterpart_is_not_read_is_missing() -> None:
    clip = recording(LAYOUTS[0])
    clip.valid[:] = True
    _, valid = mirror_stored_pose(*stored_pose(clip, 18), get_layout(LAYOUTS[0]))
    assert valid.all(0).tolist() == [True] * 17 + [False]


def samples(root: Path, streams: tuple[str, ...], **inputs: str) -> tuple[ClipSample, ClipSample]:
    """The first clip, and its mirror image."""
    corpus = write_crop_corpus(root, clips=2, frames=FRAMES)
    records = read_split(corpus, "train")
    tokenizer = TextTokenizer.train([record.text for record in records], 300)
    plain, other = (
        ClipDataset(
            corpus, records, inputs=ModelInputs(streams, 8, image_size=24, **inputs),
            tokenizer=tokenizer, glosses=(), max_target_length=20, augment=augment, seed=0,
        )
        for augment in (None, KeypointAugmentation(**ALWAYS))
    )  # fmt: skip
    return plain[0, 0], other[0, 0]


def test_everything_about_a_clip_is_mirrored_together(tmp_path: Path) -> None:
    plain, other = samples(tmp_path, ("keypoints", "pose", "face", "hand_left", "hand_right"))
    assert plain.streams.keys() == other.streams.keys()
    for part, source in (
        ("face", "face"), ("hand_left", "hand_right"), ("hand_right", "hand_left"),
    ):  # fmt: skip
        crops = plain.streams[f"crops_{source}"]
        np.testing.assert_array_equal(other.streams[f"crops_{part}"], crops[..., ::-1])
        np.testing.assert_array_equal(other.valid[f"crops_{part}"], plain.valid[f"crops_{source}"])
    left, right = (other.streams["keypoints_hand_left"], plain.streams["keypoints_hand_right"])
    np.testing.assert_allclose(left, right * (-1, 1, 1), atol=1e-6)
    pose, flip = plain.streams["pose"], list(get_layout(LAYOUTS[0]).flip[:17])
    np.testing.assert_allclose(
        other.streams["pose"][..., 0], (1 - pose[:, flip, 0]) * plain.valid["pose"][:, flip],
        atol=1e-6,
    )  # fmt: skip


def test_one_hand_alone_shows_the_crops_of_the_other(tmp_path: Path) -> None:
    both, _ = samples(tmp_path / "both", ("hand_left", "hand_right"))
    _, other = samples(tmp_path / "one", ("keypoints", "hand_left"))
    crops = both.streams["crops_hand_right"]
    np.testing.assert_array_equal(other.streams["crops_hand_left"], crops[..., ::-1])


def test_the_pose_of_signmusketeers_hangs_on_the_other_eye_in_a_mirror(tmp_path: Path) -> None:
    plain, other = samples(tmp_path, ("pose",), pose="signmusketeers")
    stored = load_clip_keypoints(tmp_path / "keypoints" / "train_000.npz")
    clip = Clip(stored.keypoints, stored.valid, stored.frame_size, stored.layout)
    expected, seen = signmusketeers_pose(film_in_a_mirror(clip))
    np.testing.assert_array_equal(other.valid["pose"], seen)
    np.testing.assert_allclose(other.streams["pose"], expected, atol=1e-5)
    upside = plain.streams["pose"][..., 1] * seen
    assert not np.allclose(upside[:, [0, 2, 1, 4, 3, 6, 5]], expected[..., 1], atol=1e-3)
