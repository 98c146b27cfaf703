"""Damaged clips are found before training, and named when they only turn up in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints, load_pose, save_clip_keypoints, save_pose
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import read_split
from slt_cli.data.clip_head import read_head
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.data.usable import damage_text, usable_records
from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_npz
from tests.data.crop_corpus import write_crop_corpus

FRAMES = 5
INPUTS = ModelInputs(("keypoints", "pose", "face", "hand_left"), 8, image_size=24)
DAMAGED = "train_001"


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return write_crop_corpus(tmp_path, clips=3, frames=FRAMES)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def shorten_pose(corpus: CorpusPaths) -> None:
    path = corpus.pose(DAMAGED)
    save_pose(path, load_pose(path)[:-1])


def of_other_shape(corpus: CorpusPaths) -> None:
    path = corpus.keypoints(DAMAGED)
    with np.load(path) as file:
        arrays = dict(file)
    write_npz(path, arrays | {"valid": arrays["valid"][:-1]})


def without_frames(corpus: CorpusPaths) -> None:
    clip = load_clip_keypoints(corpus.keypoints(DAMAGED))
    empty = {name: getattr(clip, name)[:0] for name in ("keypoints", "z", "valid", "time_s")} | {
        name: getattr(clip, name)[:, :0] for name in ("crop_box", "crop_source")
    }
    save_clip_keypoints(corpus.keypoints(DAMAGED), replace(clip, **empty))


def foreign_pose(corpus: CorpusPaths) -> None:
    pose = load_pose(corpus.pose(DAMAGED))
    write_npz(corpus.pose(DAMAGED), {"pose": pose, "pose_norm": np.array("other")})


Damage = Callable[[CorpusPaths], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no keypoints": (lambda c: c.keypoints(DAMAGED).unlink(), "no such clip file"),
    "cut keypoints": (lambda c: cut(c.keypoints(DAMAGED)), "damaged or incomplete"),
    "empty file": (lambda c: c.keypoints(DAMAGED).write_bytes(b""), "the file is empty"),
    "html": (lambda c: c.keypoints(DAMAGED).write_bytes(b"<html>"), "looks like HTML"),
    "shapes": (of_other_shape, "`valid` should be"),
    "no frames": (without_frames, "no frames"),
    "no pose": (lambda c: c.pose(DAMAGED).unlink(), r"no such clip file \(.*pose.train_001"),
    "short pose": (shorten_pose, "4 frames of pose for 5 of keypoints"),
    "other pose": (foreign_pose, "found pose_norm 'other'"),
    "cut pose": (lambda c: cut(c.pose(DAMAGED)), "damaged or incomplete"),
    "crop gone": (
        lambda c: c.crop_path("hand_l", DAMAGED, 2).unlink(), "4 crops of hand_left for 5 frames",
    ),
    "crop beyond": (
        lambda c: c.crop_path("face", DAMAGED, 4).rename(c.crop_path("face", DAMAGED, 9)),
        "4 crops of face for 5 frames",
    ),
}  # fmt: skip


def ids(records: list) -> list[str]:
    return [record.video_id for record in records]


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_clip_is_left_out_with_its_reason_or_refused(
    corpus: CorpusPaths, case: str
) -> None:
    damage, reason = DAMAGES[case]
    records = read_split(corpus, "train")
    assert usable_records(corpus, records, INPUTS, "fail") == (records, [])
    damage(corpus)
    usable, problems = usable_records(corpus, records, INPUTS, "skip")
    assert ids(usable) == ["train_000", "train_002"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{DAMAGED}: ")
    with pytest.raises(InputError, match=f"1 damaged clips: {DAMAGED}: .*{reason}") as caught:
        usable_records(corpus, records, INPUTS, "fail")
    assert "data.damaged_clips skip" in str(caught.value.hint)


def test_only_files_that_the_model_reads_are_looked_at(corpus: CorpusPaths) -> None:
    records = read_split(corpus, "train")
    corpus.pose(DAMAGED).unlink()
    for frame in range(FRAMES):
        corpus.crop_path("hand_r", DAMAGED, frame).unlink()
    for inputs in (
        replace(INPUTS, streams=("keypoints", "face", "hand_left")),
        replace(INPUTS, streams=("pose",), pose="signmusketeers"),
    ):
        assert usable_records(corpus, records, inputs, "fail")[1] == []


def test_packed_crops_are_counted_too(corpus: CorpusPaths) -> None:
    pack_corpus(corpus)
    records = read_split(corpus, "train")
    assert usable_records(corpus, records, INPUTS, "fail") == (records, [])


def test_a_clip_whose_text_vanished_is_left_out(corpus: CorpusPaths) -> None:
    records = [replace(record, text="") if record.video_id == DAMAGED else record
               for record in read_split(corpus, "train")]  # fmt: skip
    usable, problems = usable_records(corpus, records, INPUTS, "skip")
    assert len(usable) == 2
    assert problems == [f"{DAMAGED}: no text is left of its target"]


def test_nothing_left_is_an_error_whatever_the_policy(corpus: CorpusPaths) -> None:
    records = read_split(corpus, "train")
    for record in records:
        corpus.keypoints(record.video_id).unlink()
    with pytest.raises(InputError, match="3 damaged clips: train_000"):
        usable_records(corpus, records, INPUTS, "skip")


def test_five_of_many_are_named_and_all_counted() -> None:
    text = damage_text([f"clip{i}: gone" for i in range(8)])
    assert text.startswith("8 damaged clips: clip0: gone; ")
    assert text.endswith("clip4: gone; ...")
    assert "clip5" not in text


def test_the_head_is_that_of_the_whole_clip(corpus: CorpusPaths, tmp_path: Path) -> None:
    path = corpus.keypoints("train_000")
    clip, head = load_clip_keypoints(path), read_head(path)
    np.testing.assert_array_equal(head.time_s, clip.time_s)
    assert head.landmarks == {"layout": clip.layout, **clip.estimator}
    older = tmp_path / "older.npy"
    np.save(older, clip.keypoints)
    assert len(read_head(older).time_s) == FRAMES
    assert read_head(older).landmarks == {"layout": clip.layout}


def read(corpus: CorpusPaths, inputs: ModelInputs = INPUTS) -> None:
    records = [record for record in read_split(corpus, "train") if record.video_id == DAMAGED]
    tokenizer = TextTokenizer.train(["x"], 300)
    made = ClipDataset(
        corpus, records, inputs=inputs, tokenizer=tokenizer, glosses=(), max_target_length=8,
        augment=None, seed=0,
    )  # fmt: skip
    _ = made[0, 0]


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes(data))


def test_points_that_turn_out_damaged_in_an_epoch_name_clip_and_file(corpus: CorpusPaths) -> None:
    path = corpus.keypoints(DAMAGED)
    flip_a_byte(path)
    with pytest.raises(InputError, match=DAMAGED) as caught:
        read(corpus)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("data", [b"\xff\xd8 cut off", b"no picture at all", b""])
def test_a_crop_that_turns_out_damaged_in_an_epoch_names_clip_and_file(
    corpus: CorpusPaths, data: bytes
) -> None:
    corpus.crop_path("face", DAMAGED, 3).write_bytes(data)
    with pytest.raises(InputError, match=f"{DAMAGED}: crop 3 of face cannot be decoded") as caught:
        read(corpus)
    assert caught.value.where == f"face/{DAMAGED}_f000003.jpg"


def test_a_pose_of_other_length_is_told_in_an_epoch_too(corpus: CorpusPaths) -> None:
    shorten_pose(corpus)
    with pytest.raises(InputError, match=f"{DAMAGED}: 4 frames of pose for 5") as caught:
        read(corpus)
    assert caught.value.where == str(corpus.pose(DAMAGED))
