"""Landmarks from files that are named like the videos."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import av
import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.precomputed import PrecomputedEstimator
from slt_cli.landmarks.layouts import get_layout
from tests.landmarks.formats.posefile import hands
from tests.landmarks.formats.test_arrays import clip_file
from tests.video.media import write_video

LEFT = list(get_layout("mediapipe_holistic_543").component("LEFT_HAND"))
BLANK = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def video(tmp_path) -> Path:
    """20 frames at 25 per second."""
    return write_video(tmp_path / "clip.mp4", frames=20)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "landmarks").mkdir()
    return tmp_path / "landmarks"


def shown_times(video: Path) -> list[float]:
    with av.open(str(video)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def write_pose(path: Path, **options) -> np.ndarray:
    """A hand in a picture of 640 x 480; returns its fractions of it (T, 21, 2)."""
    written = hands(**options)
    path.write_bytes(written.v0_2())
    return written.data[:, 0, :21, :2] / [640, 480]


def test_each_frame_gets_the_landmarks_of_its_time(video, folder):
    expected = write_pose(folder / "clip.pose", frames=20)
    estimator = PrecomputedEstimator(video, folder)
    assert (estimator.name, estimator.version) == ("precomputed", ".pose 0.2")
    assert estimator.settings == {
        "estimator": {"name": "imported", "version": ".pose 0.2", "settings": {}}
    }
    assert not estimator.sees_pixels
    for time_s, points in zip(shown_times(video), expected, strict=True):
        found = estimator.process(BLANK, time_s)
        np.testing.assert_allclose(found.points[LEFT][:, :2], points, rtol=1e-6)
        assert found.valid.sum() == 42
    estimator.close()


def test_every_format_will_do(video, folder):
    keypoints = np.random.default_rng(0).uniform(0.1, 0.9, (20, 133, 3)).astype(np.float32)
    names = ("clip.npy", "clip.npz", "clip.pkl", "clip.train")
    for name in names:
        path = folder / name
        if name.endswith("npy"):
            np.save(path, keypoints)
        elif name.endswith("npz"):
            np.savez(path, keypoints=keypoints)
        else:
            path.write_bytes(pickle.dumps({"clip": keypoints}))
        found = PrecomputedEstimator(video, folder).process(BLANK, 7 / 25)
        np.testing.assert_array_equal(found.points[:, :2], keypoints[7, :, :2])
        path.unlink()


def test_a_folder_of_openpose_takes_the_picture_size_of_the_video(video, folder):
    inner = folder / "clip"
    inner.mkdir()
    for i in range(20):
        person = {"pose_keypoints_2d": [32 + i, 12, 1] + [0] * 72}
        (inner / f"clip_{i:012d}_keypoints.json").write_text(json.dumps({"people": [person]}))
    estimator = PrecomputedEstimator(video, folder)
    for i in (0, 19):
        np.testing.assert_allclose(
            estimator.process(BLANK, i / 25).points[0, :2], [(32 + i) / 64, 12 / 48], rtol=1e-6
        )


def test_frames_are_matched_by_order_where_the_file_has_no_times(tmp_path, folder):
    """A video of uneven frames that does not begin at 0."""
    times = [100, 104, 112, 113, 130, 170, 171, 200, 204, 208]
    video = write_video(tmp_path / "clip.mkv", frames=10, times=times)
    expected = write_pose(folder / "clip.pose", frames=10)
    estimator = PrecomputedEstimator(video, folder)
    shown = shown_times(video)
    assert shown[0] > 0.5
    for time_s, points in zip(shown, expected, strict=True):
        np.testing.assert_allclose(
            estimator.process(BLANK, time_s).points[LEFT][:, :2], points, rtol=1e-6
        )


def test_between_its_frames_a_file_says_nothing(tmp_path, folder):
    times = [*range(0, 40, 4), *range(100, 140, 4)]
    video = write_video(tmp_path / "clip.mp4", frames=20, times=times)
    write_pose(folder / "clip.pose", frames=20)
    estimator = PrecomputedEstimator(video, folder)
    assert estimator.process(BLANK, 0.36 + 0.019).valid.any()
    for time_s in (0.36 + 0.021, 0.7, 5.0, -1.0):
        found = estimator.process(BLANK, time_s)
        assert not found.valid.any()
        assert not found.points.any()
        assert not found.confidence.any()


def test_measured_times_are_believed(video, folder):
    """A clip file that holds every second frame of the video."""
    time_s = np.arange(0, 20, 2) / 25
    shape = (10, 543)
    keypoints = np.random.default_rng(0).uniform(0.1, 1, (*shape, 3)).astype(np.float32)
    clip_file(
        folder / "clip.npz", keypoints=keypoints, z=np.zeros(shape), valid=np.ones(shape, bool),
        time_s=time_s,
    )  # fmt: skip
    estimator = PrecomputedEstimator(video, folder)
    assert estimator.version == "slt clip file 1"
    assert estimator.settings["estimator"]["name"] == "mediapipe"
    for i in range(10):
        found = estimator.process(BLANK, 2 * i / 25)
        np.testing.assert_array_equal(found.confidence, keypoints[i, :, 2])


def test_times_of_another_video_are_noticed(video, folder):
    clip_file(folder / "clip.npz")  # ends at 0.3 s
    longer = write_video(folder.parent / "longer.mp4", frames=100)
    longer.replace(video)
    with pytest.raises(InputError, match=r"expected an end at 3\.96 s .*, found 0\.30 s"):
        PrecomputedEstimator(video, folder)


@pytest.mark.parametrize("frames", [17, 19, 21, 23])
def test_a_few_frames_more_or_less_are_no_matter(video, folder, frames):
    write_pose(folder / "clip.pose", frames=frames)
    estimator = PrecomputedEstimator(video, folder)
    seen = [estimator.process(BLANK, i / 25).valid.any() for i in range(20)]
    assert sum(seen) == min(frames, 20)


@pytest.mark.parametrize("frames", [16, 24, 200])
def test_another_number_of_frames_is_another_video(video, folder, frames):
    write_pose(folder / "clip.pose", frames=frames)
    with pytest.raises(InputError, match=f"expected 20 frames like the video, found {frames}"):
        PrecomputedEstimator(video, folder)


def test_another_frame_rate_is_another_video(video, folder):
    write_pose(folder / "clip.pose", frames=20, fps=24.5)
    PrecomputedEstimator(video, folder)  # old files cut it to a whole number
    write_pose(folder / "clip.pose", frames=20, fps=30)
    with pytest.raises(InputError, match=r"25\.00 frames per second like the video, found 30\.00"):
        PrecomputedEstimator(video, folder)


def test_no_file_or_two_files_are_named(video, folder):
    write_pose(folder / "other.pose", frames=20)
    with pytest.raises(InputError, match=r"no landmarks of clip\.mp4: clip\.pose, .*expected"):
        PrecomputedEstimator(video, folder)
    write_pose(folder / "clip.pose", frames=20)
    np.save(folder / "clip.npy", np.ones((20, 133, 3)))
    with pytest.raises(InputError, match=r"2 files have landmarks: clip\.npy, clip\.pose"):
        PrecomputedEstimator(video, folder)
    with pytest.raises(InputError, match="no such folder"):
        PrecomputedEstimator(video, folder / "absent")


def test_a_file_of_many_clips_is_not_for_one_video(video, folder):
    clips = {name: np.ones((20, 133, 3)) for name in ("clip", "b")}
    (folder / "clip.pkl").write_bytes(pickle.dumps(clips))
    with pytest.raises(InputError, match="2 clips in the file, one expected"):
        PrecomputedEstimator(video, folder)


def test_videos_and_landmarks_may_share_a_folder(video):
    write_pose(video.with_suffix(".pose"), frames=20)
    assert PrecomputedEstimator(video, video.parent).process(BLANK, 0).valid.any()


def test_a_folder_of_pictures_must_have_as_many(tmp_path, folder):
    from PIL import Image

    pictures = tmp_path / "clip"
    pictures.mkdir()
    for i in range(12):
        Image.new("RGB", (64, 48), (i, 0, 0)).save(pictures / f"images{i:04d}.png")
    expected = write_pose(folder / "clip.pose", frames=12)
    found = PrecomputedEstimator(pictures, folder).process(BLANK, 5 / 25)
    np.testing.assert_allclose(found.points[LEFT][:, :2], expected[5], rtol=1e-6)
    write_pose(folder / "clip.pose", frames=30)
    with pytest.raises(InputError, match="expected 12 frames like the video, found 30"):
        PrecomputedEstimator(pictures, folder)


def test_what_is_no_number_is_missing(video, folder):
    keypoints = np.full((20, 133, 3), 0.5, np.float32)
    keypoints[:, 3, 0] = np.nan
    keypoints[:, 4, 1] = 1e6
    np.save(folder / "clip.npy", np.where(np.isfinite(keypoints), keypoints, np.nan))
    found = PrecomputedEstimator(video, folder).process(BLANK, 0)
    assert not found.valid[3]
    assert np.isfinite(found.points).all()
