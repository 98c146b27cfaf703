from __future__ import annotations

import builtins
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from slt_cli.errors import MissingAsset, UsageError
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.mediapipe import MediaPipeHolistic, landmark_numbers
from slt_cli.landmarks.layouts import get_layout


@pytest.mark.real
def test_values_are_those_of_a_bare_loop(real_data: Path) -> None:
    import mediapipe

    layout = get_layout("mediapipe_holistic_543")
    ours = create_estimator("mediapipe", real_data)
    found_hands = 0
    with (
        mediapipe.solutions.holistic.Holistic() as bare,
        av.open(str(real_data / "clips" / "asl_different.mp4")) as container,
    ):
        for frame in islice(container.decode(video=0), 40):
            rgb = frame.to_ndarray(format="rgb24")
            mine, theirs = ours.process(rgb, frame.time), bare.process(rgb)
            for part in ("pose", "face", "left_hand", "right_hand"):
                here = list(layout.component(part.upper()))
                landmarks = getattr(theirs, f"{part}_landmarks")
                assert mine.valid[here].all() == mine.valid[here].any() == (landmarks is not None)
                if landmarks is None:
                    assert not mine.points[here].any()
                    continue
                expected = np.array([(p.x, p.y, p.z) for p in landmarks.landmark], np.float32)
                np.testing.assert_array_equal(mine.points[here], expected)
                found_hands += "hand" in part
            visibility = [p.visibility for p in theirs.pose_landmarks.landmark]
            np.testing.assert_array_equal(mine.confidence[:33], np.array(visibility, np.float32))
    ours.close()
    assert found_hands > 30
    assert (ours.name, ours.version) == ("mediapipe", mediapipe.__version__)


def test_newer_mediapipe_without_holistic_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = ModuleType("mediapipe")
    newer.__version__ = "0.10.30"
    monkeypatch.setitem(sys.modules, "mediapipe", newer)
    with pytest.raises(MissingAsset, match=r"0\.10\.30") as caught:
        MediaPipeHolistic()
    assert "<0.10.30" in str(caught.value.hint)
    assert "precomputed" in str(caught.value.hint)
    assert caught.value.exit_code == 5


def test_absent_mediapipe_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingAsset, match="cannot be imported") as caught:
        MediaPipeHolistic()
    assert "libgl1" in str(caught.value.hint)


def test_missing_system_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_libgl(name: str, *args: object) -> object:
        if name == "mediapipe":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real_import(name, *args)

    monkeypatch.setattr(builtins, "__import__", without_libgl)
    with pytest.raises(MissingAsset, match=r"libGL\.so\.1") as caught:
        create_estimator("mediapipe", Path("a.mp4"))
    assert str(caught.value.hint).startswith("apt-get install libgl1")
    assert "pip" not in str(caught.value.hint)


def test_unknown_estimator_is_answered_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean mediapipe"):
        create_estimator("mediapip", tmp_path)


@pytest.mark.parametrize("visibility", [None, 0.25])
@pytest.mark.parametrize("irregular", [False, True])
def test_numbers_are_those_of_the_landmark_objects(
    visibility: float | None, irregular: bool
) -> None:
    from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmarkList

    rng = np.random.default_rng(0)
    message = NormalizedLandmarkList()
    for x, y, z in rng.normal(size=(21, 3)):
        message.landmark.add(x=x, y=y, z=z, visibility=visibility)
    if irregular:  # one landmark without depth: the serialised ones are no longer alike
        message.landmark[4].ClearField("z")
    numbers = landmark_numbers(message, 21)
    expected = [(p.x, p.y, p.z, p.visibility) for p in message.landmark]
    np.testing.assert_array_equal(numbers, np.array(expected, np.float32))
