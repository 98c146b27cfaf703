from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.base import FrameLandmarks
from slt_cli.landmarks.layouts import get_layout
from slt_cli.storage.atomic import write_bytes, write_npz
from slt_cli.synthetic.body import SignClip
from slt_cli.synthetic.dataset import render_clip

LAYOUT = get_layout("mediapipe_holistic_543")
NO_PIXELS = np.zeros((256, 256, 3), np.uint8)
GLOSSES = ["AYER", "MAMA", "CASA", "ROJO", "COMPRAR", "NO"]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SignClip]]:
    folder = tmp_path_factory.mktemp("rendered")
    return folder, [render_clip(folder / f"{i}.mp4", GLOSSES, "ana", seed=i) for i in range(8)]


def estimate(video: Path, clip: SignClip) -> list[FrameLandmarks]:
    estimator = create_estimator("synthetic", video)
    found = [estimator.process(NO_PIXELS, time) for time in clip.time_s]
    estimator.close()
    return found


def test_noise_has_the_stated_size(rendered: tuple[Path, list[SignClip]]) -> None:
    folder, clips = rendered
    estimator = create_estimator("synthetic", folder / "0.mp4")
    body = list(LAYOUT.component("POSE"))[:25]
    face = list(LAYOUT.component("FACE"))
    found = np.array([f.points for f in estimate(folder / "0.mp4", clips[0])])
    error = (found - clips[0].points)[..., :2]
    assert error[:, body].std() == pytest.approx(estimator.settings["noise"], rel=0.1)
    assert error[:, face].std() == pytest.approx(estimator.settings["face_noise"], rel=0.1)
    assert abs(error[:, body].mean()) < 3e-4


def test_what_is_missing_is_zero_in_array_and_mask(
    rendered: tuple[Path, list[SignClip]],
) -> None:
    folder, clips = rendered
    for frame in estimate(folder / "0.mp4", clips[0]):
        assert (frame.points.dtype, frame.confidence.dtype) == (np.float32, np.float32)
        assert (frame.points[~frame.valid] == 0).all()
        assert (frame.confidence[~frame.valid] == 0).all()
        assert (frame.confidence[frame.valid] > 0.8).all()
        assert not frame.valid[25:33].any()
        assert frame.valid[:25].all()


def test_hands_drop_out_whole_and_in_runs(rendered: tuple[Path, list[SignClip]]) -> None:
    folder, clips = rendered
    lost: list[bool] = []
    for number, clip in enumerate(clips):
        valid = np.array([f.valid for f in estimate(folder / f"{number}.mp4", clip)])
        for hand in ("LEFT_HAND", "RIGHT_HAND"):
            joints = valid[:, list(LAYOUT.component(hand))]
            assert (joints.all(1) | ~joints.any(1)).all()
            lost += [*(~joints.all(1)), False]
    share = np.mean(lost)
    runs = np.sum(np.diff([0, *lost]) == 1)
    assert 0.02 < share < 0.12
    assert sum(lost) / runs > 1.5


def test_depth_of_hands_is_told_from_the_wrist(rendered: tuple[Path, list[SignClip]]) -> None:
    folder, clips = rendered
    wrist = LAYOUT.index("RIGHT_HAND.WRIST")
    assert all(f.points[wrist, 2] == 0 for f in estimate(folder / "1.mp4", clips[1]))


def test_same_file_gives_the_same_landmarks(rendered: tuple[Path, list[SignClip]]) -> None:
    folder, clips = rendered
    first, again = (estimate(folder / "2.mp4", clips[2]) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
    other = estimate(folder / "3.mp4", clips[3])
    assert not np.array_equal(first[0].confidence, other[0].confidence)


def test_frames_are_found_by_time(rendered: tuple[Path, list[SignClip]]) -> None:
    folder, clips = rendered
    whole = estimate(folder / "4.mp4", clips[4])
    late = create_estimator("synthetic", folder / "4.mp4").process(NO_PIXELS, 1.002)
    np.testing.assert_array_equal(late.points, whole[15].points)
    with pytest.raises(InputError, match="no landmarks at 60"):
        create_estimator("synthetic", folder / "4.mp4").process(NO_PIXELS, 60.0)


def test_video_without_landmarks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"real\.landmarks\.npz.*only works on rendered"):
        create_estimator("synthetic", tmp_path / "real.mp4")


def test_damaged_landmarks_are_refused(
    rendered: tuple[Path, list[SignClip]], tmp_path: Path
) -> None:
    folder, _ = rendered
    write_bytes(tmp_path / "a.mp4", (folder / "0.mp4").read_bytes())
    write_bytes(tmp_path / "a.landmarks.npz", b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match="not a landmark file"):
        create_estimator("synthetic", tmp_path / "a.mp4")


def test_landmarks_of_another_length_are_refused(
    rendered: tuple[Path, list[SignClip]], tmp_path: Path
) -> None:
    folder, clips = rendered
    clip = clips[0]
    write_bytes(tmp_path / "a.mp4", (folder / "0.mp4").read_bytes())
    write_npz(
        tmp_path / "a.landmarks.npz",
        {"points": clip.points[:-5], "valid": clip.valid, "time_s": clip.time_s[:-5]},
    )
    with pytest.raises(InputError, match=f"for a video of {len(clip.points)} frames"):
        create_estimator("synthetic", tmp_path / "a.mp4")


def test_what_made_the_numbers_is_recorded(rendered: tuple[Path, list[SignClip]]) -> None:
    estimator = create_estimator("synthetic", rendered[0] / "0.mp4")
    assert (estimator.name, estimator.layout) == ("synthetic", "mediapipe_holistic_543")
    assert estimator.version
    assert set(estimator.settings) == {"noise", "face_noise", "dropout", "dropout_frames"}
