from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import (
    ClipKeypoints,
    load_clip_keypoints,
    load_pose,
    save_clip_keypoints,
    save_pose,
)
from slt_cli.errors import InputError
from slt_cli.storage.atomic import write_npz

FRAMES, POINTS = 4, 543


def made_clip() -> ClipKeypoints:
    rng = np.random.default_rng(0)
    return ClipKeypoints(
        keypoints=rng.random((FRAMES, POINTS, 3)).astype(np.float32),
        z=rng.random((FRAMES, POINTS)).astype(np.float32),
        valid=rng.random((FRAMES, POINTS)) > 0.5,
        time_s=np.array([0.0, 0.04, 0.09, 0.12]),
        crop_box=rng.integers(0, 99, (3, FRAMES, 4)).astype(np.int32),
        crop_source=rng.integers(0, 4, (3, FRAMES)).astype(np.uint8),
        layout="mediapipe_holistic_543",
        frame_size=(640, 480),
        fps=Fraction(30000, 1001),
        source={"name": "señas.mp4", "sha256": "ab"},
        estimator={"name": "made", "version": "1", "settings": {"a": 1.5}},
    )


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), None])
def test_clip_comes_back_as_it_was(tmp_path: Path, fps: Fraction | None) -> None:
    clip = replace(made_clip(), fps=fps)
    save_clip_keypoints(tmp_path / "a.npz", clip)
    loaded = load_clip_keypoints(tmp_path / "a.npz")
    for field in fields(ClipKeypoints):
        before, after = getattr(clip, field.name), getattr(loaded, field.name)
        np.testing.assert_array_equal(after, before)
        assert type(after) is type(before)
        assert getattr(after, "dtype", None) == getattr(before, "dtype", None)


def test_equal_clips_give_equal_bytes_readable_without_us(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_clip_keypoints(tmp_path / f"{name}.npz", made_clip())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        assert plain["keypoints"].shape == (FRAMES, POINTS, 3)
        assert str(plain["layout"]) == "mediapipe_holistic_543"
        assert plain["fps"].tolist() == [30000, 1001]


def damaged(path: Path, kind: str) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": data[:middle],
            "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
            "html": b"<!DOCTYPE html><html>not found</html>",
        }[kind]
    )


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "html"])
def test_damaged_file_names_the_clip_and_how_to_make_it_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keypoints" / "hola_01.npz"
    save_clip_keypoints(path, made_clip())
    damaged(path, kind)
    with pytest.raises(InputError) as caught:
        load_clip_keypoints(path)
    assert "hola_01" in caught.value.message
    assert str(caught.value.hint).startswith(f"slt extract VIDEO -o {tmp_path}")
    assert "pickle" not in caught.value.message + str(caught.value.hint)


class Canary:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("canary"),))


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_python_objects_are_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"a{suffix}"
    hostile = np.array([Canary()], dtype=object)
    np.savez(path, keypoints=hostile) if suffix == ".npz" else np.save(path, hostile)
    with pytest.raises(InputError, match="nothing in it was executed"):
        load_clip_keypoints(path)
    assert not (tmp_path / "canary").exists()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such clip"):
        load_clip_keypoints(tmp_path / "a.npz")


def test_newer_file_asks_for_an_upgrade(tmp_path: Path) -> None:
    save_clip_keypoints(tmp_path / "a.npz", replace(made_clip(), schema=99))
    with pytest.raises(InputError, match="newer slt") as caught:
        load_clip_keypoints(tmp_path / "a.npz")
    assert caught.value.hint == "upgrade slt"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("z", np.zeros((FRAMES, 3), np.float32)),
        ("time_s", np.zeros(FRAMES + 1)),
        ("keypoints", np.full((FRAMES, POINTS, 3), np.nan, np.float32)),
        ("crop_source", np.zeros((2, FRAMES), np.uint8)),
    ],
)
def test_inconsistent_file_is_refused(tmp_path: Path, field: str, value: np.ndarray) -> None:
    save_clip_keypoints(tmp_path / "a.npz", replace(made_clip(), **{field: value}))
    with pytest.raises(InputError, match=f"`{field}` should be"):
        load_clip_keypoints(tmp_path / "a.npz")


def test_file_without_a_part_is_refused(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"schema": np.array(1), "keypoints": np.zeros((1, 543, 3))})
    with pytest.raises(InputError, match="a part is missing"):
        load_clip_keypoints(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("points", "layout"),
    [
        (543, "mediapipe_holistic_543"), (553, "mediapipe_holistic_553"),
        (133, "coco_wholebody_133"), (137, "openpose_137"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_older_arrays_are_read_by_their_points(
    tmp_path: Path, points: int, layout: str, suffix: str
) -> None:
    rng = np.random.default_rng(0)
    array = rng.uniform(0.1, 1, (5, points, 3))
    array[2, 7, 2] = 0
    array[3, 8, 0] = np.nan
    path = tmp_path / f"a{suffix}"
    np.savez(path, keypoints=array) if suffix == ".npz" else np.save(path, array)
    clip = load_clip_keypoints(path)
    assert clip.layout == layout
    assert clip.fps is None
    assert clip.frame_size == (1, 1)
    expected = np.ones((5, points), bool)
    expected[2, 7] = expected[3, 8] = False
    np.testing.assert_array_equal(clip.valid, expected)
    np.testing.assert_allclose(clip.keypoints[expected], array[expected], rtol=1e-6)
    assert not clip.keypoints[~expected].any()
    np.testing.assert_allclose(clip.time_s, np.arange(5) / 25)


def test_older_arrays_of_two_and_four_channels(tmp_path: Path) -> None:
    two = np.random.default_rng(0).uniform(0.1, 1, (2, 543, 2))
    two[0, 5] = 0
    np.save(tmp_path / "two.npy", two)
    clip = load_clip_keypoints(tmp_path / "two.npy")
    assert clip.valid.sum() == 2 * 543 - 1
    np.testing.assert_array_equal(clip.keypoints[..., 2], clip.valid)
    four = np.random.default_rng(0).uniform(0.1, 1, (2, 543, 4)).astype(np.float32)
    np.save(tmp_path / "four.npy", four)
    clip = load_clip_keypoints(tmp_path / "four.npy")
    np.testing.assert_array_equal(clip.z, four[..., 2])
    np.testing.assert_array_equal(clip.keypoints[..., 2], four[..., 3])


@pytest.mark.parametrize("shape", [(3, 99, 3), (3, 543, 5), (3, 543)])
def test_array_of_unknown_shape_says_what_is_known(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(InputError, match=r"133 .*coco_wholebody_133"):
        load_clip_keypoints(tmp_path / "a.npy")


def test_pose_keeps_the_names_that_older_readers_know(tmp_path: Path) -> None:
    pose = np.random.default_rng(0).random((3, 51)).astype(np.float32)
    save_pose(tmp_path / "a.npz", pose)
    with np.load(tmp_path / "a.npz") as plain:
        assert set(plain.files) == {"pose", "pose_norm"}
        assert str(plain["pose_norm"]) == "signing_space_v1"
        assert plain["pose"].dtype == np.float32
    np.testing.assert_array_equal(load_pose(tmp_path / "a.npz"), pose)


def test_pose_of_any_width_but_no_other_space(tmp_path: Path) -> None:
    np.savez(tmp_path / "seven.npz", pose=np.zeros((2, 21)))
    assert load_pose(tmp_path / "seven.npz").shape == (2, 21)
    np.savez(tmp_path / "points.npz", pose=np.zeros((2, 13, 3)))
    assert load_pose(tmp_path / "points.npz").shape == (2, 39)
    np.savez(tmp_path / "other.npz", pose=np.zeros((2, 21)), pose_norm="image")
    with pytest.raises(InputError, match="found pose_norm 'image'"):
        load_pose(tmp_path / "other.npz")
    np.savez(tmp_path / "odd.npz", pose=np.zeros((2, 20)))
    with pytest.raises(InputError, match=r"\(2, 20\)"):
        load_pose(tmp_path / "odd.npz")
