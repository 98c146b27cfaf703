"""The pickles of MSKA, SLRT and their forebears."""

from __future__ import annotations

import gzip
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slt_cli.errors import InputError
from slt_cli.landmarks.formats import is_landmark_source, read_annotations, read_tracks

PHOENIX = ("train/11August_2010_Wednesday_tagesschau-1", "train/01April_2010_Thursday_heute-6694")
CSL = ("S000020_P0000_T00", "S000021_P0004_T00")


def entry(name: str, seed: int = 0, size: tuple[int, int] = (210, 260)) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    keypoint = rng.uniform(0.1, 0.95, (5 + seed, 133, 3)).astype(np.float32)
    keypoint[..., :2] *= size
    keypoint[2] = 0  # nobody was detected
    return {
        "name": name, "gloss": "REGEN KOMMEN", "text": "es regnet .", "signer": "Signer04",
        "num_frames": len(keypoint), "keypoint": torch.from_numpy(keypoint),
    }  # fmt: skip


def corpus(names=PHOENIX, size=(210, 260)) -> dict[str, Any]:
    return {name: entry(name, seed, size) for seed, name in enumerate(names)}


def write(path: Path, value: Any, compress: bool = False) -> Path:
    data = pickle.dumps(value)
    path.write_bytes(gzip.compress(data) if compress else data)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["Phoenix-2014T.train", "x.pkl", "x.dev", "x.test", "x.pickle"])
def test_a_split_of_phoenix(tmp_path, name, compress):
    clips = corpus()
    path = write(tmp_path / name, clips, compress)
    assert is_landmark_source(path)
    tracks = dict(read_tracks(path))
    assert list(tracks) == [name.removeprefix("train/") for name in PHOENIX]
    assert [track.member for track in tracks.values()] == list(tracks)
    for track, clip in zip(tracks.values(), clips.values(), strict=True):
        numbers = clip["keypoint"].numpy()
        assert (track.layout, track.frame_size, track.fps) == ("coco_wholebody_133", (210, 260), 25)
        expected = numbers[..., :2] / np.float32([210, 260])
        np.testing.assert_allclose(track.points[..., :2], expected, rtol=1e-6)
        np.testing.assert_array_equal(track.confidence, numbers[..., 2])
        assert track.valid.all(axis=1).tolist() == [i != 2 for i in range(len(numbers))]
        assert "picture size 210 x 260, as the clips of PHOENIX have" in track.notes


def test_clips_of_csl_daily_have_512_pixels_and_30_frames_per_second(tmp_path):
    path = write(tmp_path / "csl.train", corpus(CSL, (512, 512)))
    tracks = dict(read_tracks(path))
    assert list(tracks) == list(CSL)
    assert {(t.frame_size, t.fps) for t in tracks.values()} == {((512, 512), Fraction(30))}


def test_the_extent_of_all_clips_stands_in_for_an_unknown_corpus(tmp_path):
    clips = corpus(("a", "b"), (640, 480))
    points = [clip["keypoint"].numpy()[..., :2] for clip in clips.values()]
    furthest = np.ceil(np.concatenate(points).max(axis=(0, 1)))
    tracks = dict(read_tracks(write(tmp_path / "x.pkl", clips)))
    assert {t.frame_size for t in tracks.values()} == {tuple(furthest)}
    assert any("picture size unknown" in note for note in tracks["a"].notes)
    assert any("25 frames per second assumed" in note for note in tracks["a"].notes)


def test_a_name_does_not_outweigh_points_that_cannot_fit(tmp_path):
    path = write(tmp_path / "x.train", corpus(PHOENIX, (1280, 720)))
    _, track = next(read_tracks(path))
    assert track.frame_size[0] > 1000
    assert any("picture size unknown" in note for note in track.notes)


def test_what_the_caller_knows_comes_first(tmp_path):
    path = write(tmp_path / "x.train", corpus())
    _, track = next(read_tracks(path, frame_size=(420, 520), fps=Fraction(50)))
    assert (track.frame_size, track.fps) == ((420, 520), 50)


def test_coordinates_that_are_fractions_already_stay(tmp_path):
    clips = {"a": {"keypoint": np.full((2, 133, 3), 0.5, np.float32)}}
    _, track = next(read_tracks(write(tmp_path / "x.pkl", clips)))
    assert (track.points[..., :2] == 0.5).all()
    assert track.frame_size == (1, 1)


@pytest.mark.parametrize(
    "clips",
    [
        {"a": np.ones((2, 133, 3)) * 50},
        {"a": {"keypoints": np.ones((2, 133, 3)) * 50}},
        [{"name": "a", "keypoint": np.ones((2, 133, 3)) * 50}],
    ],
    ids=["bare arrays", "other key", "list"],
)
def test_other_forms_of_the_same(tmp_path, clips):
    ((name, track),) = read_tracks(write(tmp_path / "x.pkl", clips))
    assert (name, len(track)) == ("a", 2)


def test_annotations_come_with_the_landmarks(tmp_path):
    clips = corpus()
    second = clips[PHOENIX[1]]
    second |= {"gloss": ["WETTER", "MORGEN"], "text": " morgen\nschön\t. "}
    del second["signer"]
    found = read_annotations(write(tmp_path / "x.train", clips))
    assert [(a.video_id, a.text, a.glosses, a.signer) for a in found] == [
        (PHOENIX[0][6:], "es regnet .", ("REGEN", "KOMMEN"), "Signer04"),
        (PHOENIX[1][6:], "morgen schön .", ("WETTER", "MORGEN"), ""),
    ]


def test_features_of_a_network_are_no_landmarks_but_their_texts_are_texts(tmp_path):
    texts = {"name": PHOENIX[0], "signer": "Signer01", "gloss": "A B", "text": "c"}
    clips = [{**texts, "sign": torch.ones(7, 1024)}]
    path = write(tmp_path / "phoenix14t.pami0.dev", clips, compress=True)
    with pytest.raises(InputError, match=r"features of a network \(7, 1024\)"):
        list(read_tracks(path))
    assert [(a.text, a.glosses) for a in read_annotations(path)] == [("c", ("A", "B"))]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (3, "a int"),
        ([1, 2], "a list"),
        ({}, "found nothing"),
        ([{"text": "x"}], "clips without names"),
        ({1: {"keypoint": np.ones((2, 133, 3))}}, "clips without names"),
        ({"a": {"name": "a", "video": "x"}}, "a with name, video"),
        ({"a": {"keypoint": [[1, 2, 3]]}}, "a with keypoint"),
    ],
)
def test_other_pickles_are_refused_by_what_they_hold(tmp_path, content, found):
    with pytest.raises(InputError) as caught:
        list(read_tracks(write(tmp_path / "x.pkl", content)))
    assert found in caught.value.message
    assert "keypoint" in caught.value.message


def test_a_wrong_number_of_points_is_refused(tmp_path):
    path = write(tmp_path / "x.pkl", {"a": {"keypoint": np.ones((2, 17, 3))}})
    with pytest.raises(InputError, match=r"133 \(coco_wholebody_133\)"):
        list(read_tracks(path))


def test_names_become_ids_that_are_fit_for_files(tmp_path):
    clips = {"../../etc/a\nb": np.ones((1, 133, 3)), "dev\\..": np.ones((1, 133, 3))}
    assert [name for name, _ in read_tracks(write(tmp_path / "x.pkl", clips))] == ["a_b", "_"]


def test_two_clips_of_one_name_are_refused(tmp_path):
    clips = {"train/a": np.ones((1, 133, 3)), "dev/a": np.ones((1, 133, 3))}
    with pytest.raises(InputError, match="two clips are called a"):
        list(read_tracks(write(tmp_path / "x.pkl", clips)))


def test_a_hostile_pickle_is_refused_unexecuted(tmp_path):
    class Touch:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'canary')!r}, 'w')",)

    path = write(tmp_path / "x.train", corpus() | {"evil": Touch()})
    with pytest.raises(InputError, match=r"asks for builtins\.exec"):
        list(read_tracks(path))
    with pytest.raises(InputError, match=r"asks for builtins\.exec"):
        read_annotations(path)
    assert not (tmp_path / "canary").exists()
