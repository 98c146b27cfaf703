"""Where each rule begins: what is just good enough, and what a corpus may look like."""

from __future__ import annotations

import json
import shutil
import weakref
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.rules import check
from slt_cli.corpus.rules.limits import Limits
from tests.corpus.rules.breakages import BREAKAGES
from tests.corpus.rules.made import (
    FIRST,
    FRAMES,
    IDS,
    edit_arrays,
    edit_clip,
    findings,
    picture,
    put,
    write_good_corpus,
    write_lines,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_good_corpus(tmp_path / "corpus")


def glosses(root: Path, *rows: str) -> None:
    write_lines(root / "annotations" / "gloss.csv", "video_id;gloss;ctc_labels", *rows)


def pack(root: Path) -> Path:
    """Pack all crops; the one shard."""
    pack_corpus(CorpusPaths.from_root(root), report=lambda event, **facts: None)
    (shard,) = (root / "shards").glob("*.tar")
    return shard


# ---- one clip ------------------------------------------------------------------------------------


def test_a_missing_crop_is_black_and_nothing_else(root: Path) -> None:
    edit_arrays(root, crop_source=put((0, 1), 0))
    (place,) = findings(root)["C015"].where
    assert place == f"{FIRST}: face frame 1 is missing and the crop is a picture"
    (root / "face" / f"{FIRST}_f000001.jpg").write_bytes(picture(0))
    assert findings(root) == {}


@pytest.mark.parametrize("source", [2, 3])
def test_a_crop_placed_by_pose_or_memory_may_be_black(root: Path, source: int) -> None:
    edit_arrays(root, crop_source=put((0, 0), source))
    (root / "face" / f"{FIRST}_f000000.jpg").write_bytes(picture(0))
    assert findings(root) == {}


def test_a_square_larger_than_the_frame_may_stick_out(root: Path) -> None:
    edit_arrays(root, crop_box=put((0, 0), [-40, -80, 360, 320]))
    assert findings(root) == {}
    edit_arrays(root, crop_box=put((0, 0), [400, 0, 432, 32]))  # the frame is 320 wide
    assert findings(root).keys() == {"C020"}


def test_crops_beyond_the_last_frame_are_named(root: Path) -> None:
    (root / "hand_r" / f"{FIRST}_f000009.jpg").write_bytes(picture(200))
    (place,) = findings(root)["C003"].where
    assert place == f"{FIRST}: hand_r: 7 crops for 6 frames, too many: 9"


def test_points_outside_the_picture_are_fine_and_pixels_are_not(root: Path) -> None:
    edit_arrays(root, keypoints=put((0, 0, 1), 2.5))
    assert findings(root) == {}
    edit_arrays(root, keypoints=lambda points: points * np.array([320, 240, 1], np.float32))
    assert findings(root).keys() == {"C019"}


def test_the_share_of_frames_with_hands_is_a_setting(root: Path) -> None:
    from slt_cli.landmarks.layouts import get_layout

    layout = get_layout("mediapipe_holistic_543")
    hands = [*layout.component("LEFT_HAND"), *layout.component("RIGHT_HAND")]
    hidden = np.ix_(range(3), hands)  # three of six frames
    edit_arrays(root, valid=put(hidden, False), keypoints=put(hidden, 0))
    assert findings(root, Limits(min_coverage=0.5)) == {}
    assert findings(root, Limits(min_coverage=0.51))["C008"].where == [
        f"{FIRST}: hands in 50% of the frames"
    ]


def test_a_clip_as_long_as_the_kernel_is_long_enough(root: Path) -> None:
    assert findings(root, Limits(temporal_kernel=FRAMES)) == {}
    assert len(findings(root, Limits(temporal_kernel=FRAMES + 1))["C029"].where) == len(IDS)


def test_a_single_frame_is_short_but_readable(root: Path) -> None:
    from tests.corpus.rules.breakages import shorten

    shorten(1)(root)
    found = findings(root)
    assert found["C029"].where == [f"{FIRST}: 1 frames for a kernel of 3"]
    assert found["G001"].where == [f"{FIRST}: 1 frames in 1 steps for 2 glosses, which need 2"]


def test_half_a_frame_per_second_is_no_other_rate(root: Path) -> None:
    for video_id in IDS:
        edit_clip(
            root,
            lambda clip: replace(clip, fps=Fraction(30), time_s=np.arange(FRAMES) / 30), video_id
        )  # fmt: skip
    rate = Fraction(30000, 1001)
    edit_clip(root, lambda clip: replace(clip, fps=rate, time_s=np.arange(FRAMES) / float(rate)))
    assert findings(root) == {}


@pytest.mark.parametrize(("stored", "fits"), [(25, True), (50, True), (75, True), (60, False)])
def test_frames_may_be_left_out_of_the_video(root: Path, stored: int, fits: bool) -> None:
    edit_clip(root, lambda clip: replace(clip, fps=Fraction(stored)))  # the times are of 25
    assert findings(root).keys() == (set() if fits else {"C010"})


def test_clips_thinned_to_one_rate_have_one_rate(root: Path) -> None:
    thinned = np.array([0, 2, 5, 7, 10, 12]) / 25  # 10 frames per second out of 25
    edit_clip(root, lambda clip: replace(clip, time_s=thinned))
    for video_id in IDS[1:]:
        edit_clip(
            root, lambda clip: replace(clip, fps=Fraction(10), time_s=np.arange(FRAMES) / 10),
            video_id,
        )  # fmt: skip
    assert findings(root) == {}


# ---- files ---------------------------------------------------------------------------------------


def test_what_a_killed_process_staged_is_a_leftover(root: Path) -> None:
    (root / ".slt-host-1-stage-a").mkdir()
    (root / "face" / ".slt-host-1-7.jpg").touch()
    assert findings(root)["C023"].where == [
        str(root / ".slt-host-1-stage-a"), str(root / "face" / ".slt-host-1-7.jpg"),
    ]  # fmt: skip


def test_records_of_array_jobs_are_part_of_the_manifest(root: Path) -> None:
    manifest = root / "metadata.jsonl"
    manifest.rename(root / "metadata-00000-of-00002.jsonl")
    assert findings(root) == {}
    with (root / "metadata-00001-of-00002.jsonl").open("w") as handle:
        handle.write(json.dumps({"video_id": "late", "status": "failed", "at": "2999"}) + "\n")
    assert findings(root)["C026"].where == ["late: no reason recorded"]


def test_a_manifest_that_counts_other_frames_is_noticed(root: Path) -> None:
    write_lines(
        root / "metadata.jsonl",
        *(json.dumps({"video_id": i, "frames": {"keypoints": 7 if i == FIRST else 6}})
          for i in IDS),
    )  # fmt: skip
    assert findings(root)["C024"].where == [f"{FIRST}: 6 frames, the manifest says 7"]


def test_an_older_corpus_of_bare_arrays_passes(root: Path) -> None:
    for name in ("face", "hand_l", "hand_r", "pose", "keypoints"):
        shutil.rmtree(root / name)
    (root / "metadata.jsonl").unlink()
    (root / "keypoints").mkdir()
    rng = np.random.default_rng(0)
    for video_id in IDS:
        points = rng.uniform(0.1, 0.9, (FRAMES, 133, 3)).astype(np.float32)
        np.save(root / "keypoints" / f"{video_id}.npy", points)
        for stream in ("face", "hand_l"):
            (root / stream).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                crop = picture(0 if frame else 200)
                (root / stream / f"{video_id}_f{frame:06d}.jpg").write_bytes(crop)
    assert findings(root) == {}


def test_packed_crops_are_checked_like_loose_ones(root: Path) -> None:
    pack(root)
    assert not list(root.glob("face/*.jpg"))
    assert findings(root) == {}
    BREAKAGES["C020"].do(root)
    edit_arrays(root, crop_source=put((2, 5), 0))
    assert findings(root).keys() == {"C015", "C020"}


def test_a_bit_flipped_inside_a_shard_is_found(root: Path) -> None:
    shard = pack(root)
    data = bytearray(shard.read_bytes())
    data[5 * 512 + 100] ^= 4
    shard.write_bytes(data)
    (place,) = findings(root)["C028"].where
    assert shard.name in place


# ---- tables --------------------------------------------------------------------------------------


def test_a_clip_just_long_enough_for_its_glosses_passes(root: Path) -> None:
    glosses(root, f"{FIRST};A A B C D;1 1 2 3 4")  # five and a blank between the first two: six
    assert findings(root, Limits(temporal_stride=1)) == {}


@pytest.mark.parametrize(("stride", "fits"), [(1, True), (2, True), (3, False), (4, False)])
def test_steps_of_the_gloss_head_count_not_frames(root: Path, stride: int, fits: bool) -> None:
    glosses(root, f"{FIRST};A B C;1 2 3")  # six frames are 6, 3, 2 and 2 steps
    found = findings(root, Limits(temporal_stride=stride))
    assert ("G001" not in found) == fits
    if not fits:
        assert found["G001"].where == [f"{FIRST}: 6 frames in 2 steps for 3 glosses, which need 3"]


def test_numbers_of_a_larger_vocabulary_pass(root: Path) -> None:
    glosses(root, f"{FIRST};A B;1207 44", "train_001;B A;44 1207")
    assert findings(root) == {}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("train_001;A;-1", "train_001: A is -1, which is no number"),
        ("train_001;A;x", "train_001: A is x, which is no number"),
        ("train_001;A;2", "train_001: A is 2, and 1 before"),
        ("train_001;C;2", "train_001: C is 2, which is B"),
        ("train_001;A B;1", "train_001: 1 numbers for 2 glosses"),
    ],
)
def test_numbers_that_cannot_be_right_are_named(root: Path, row: str, says: str) -> None:
    glosses(root, f"{FIRST};A B;1 2", row)
    (place,) = findings(root)["G003"].where
    assert place.startswith(says)


def test_sentences_of_val_and_test_may_share(root: Path) -> None:
    texts = {"val_000": "lo mismo", "test_000": "lo mismo"}
    write_lines(root / "meta.csv", "video_id;texto", *(f"{i};{texts.get(i, i)}" for i in IDS))
    assert findings(root) == {}


def test_the_video_column_decides_which_clips_belong_together(root: Path) -> None:
    videos = dict.fromkeys(IDS[:3], "morning") | {"val_000": "noon", "test_000": "morning"}
    write_lines(root / "meta.csv", "video_id;texto;video", *(f"{i};{i};{videos[i]}" for i in IDS))
    assert findings(root)["S005"].where == ["morning: train, test"]


def test_splits_without_test_are_enough(root: Path) -> None:
    (root / "index" / "test.csv").unlink()
    assert findings(root).keys() == {"S007"}


# ---- cost ----------------------------------------------------------------------------------------


def test_each_clip_is_read_once_and_forgotten(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, weakref.ref[Any]]] = []
    load = check.load_clip_keypoints

    def watched(path: Path) -> Any:
        alive = [name for name, clip in read[:-1] if clip() is not None]
        assert alive == []
        clip = load(path)
        read.append((path.stem, weakref.ref(clip)))
        return clip

    monkeypatch.setattr(check, "load_clip_keypoints", watched)
    findings(root)
    assert [name for name, _ in read] == sorted(IDS)
    assert read[-1][1]() is None
