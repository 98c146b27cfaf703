from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.estimators import create_estimator
from slt_cli.landmarks.estimators.mediapipe_tasks import KNOWN_SHA256, MODEL
from slt_cli.landmarks.layouts import get_layout
from slt_cli.storage.assets import ENVIRONMENT
from slt_cli.storage.hashes import sha256_file
from tests.landmarks.estimators.cases import read_clip


@pytest.fixture
def empty_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No asset anywhere but, perhaps, in the folder that is returned."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "assets"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").mkdir()
    return tmp_path / "assets"


def test_without_the_model_the_searched_folders_and_its_source_are_named(
    empty_world: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingAsset, match=MODEL) as caught:
        create_estimator("mediapipe-tasks", tmp_path / "a.mp4")
    assert str(empty_world) in caught.value.message
    assert ".local/share/slt" in caught.value.message
    assert "https://storage.googleapis.com" in str(caught.value.hint)
    assert caught.value.exit_code == 5


def test_another_file_of_that_name_is_refused_with_both_hashes(
    empty_world: Path, tmp_path: Path
) -> None:
    (empty_world / MODEL).write_bytes(b"another model")
    with pytest.raises(MissingAsset) as caught:
        create_estimator("mediapipe-tasks", tmp_path / "a.mp4")
    assert sha256_file(empty_world / MODEL) in caught.value.message
    assert all(known in caught.value.message for known in KNOWN_SHA256)
    assert caught.value.exit_code == 5


def test_a_file_that_was_allowed_but_is_no_model_is_explained(
    empty_world: Path, tmp_path: Path
) -> None:
    (empty_world / MODEL).write_bytes(b"another model")
    allowed = sha256_file(empty_world / MODEL)
    with pytest.raises(MissingAsset, match="cannot use this model") as caught:
        create_estimator("mediapipe-tasks", tmp_path / "a.mp4", model_sha256=allowed)
    assert caught.value.where == str(empty_world / MODEL)


@pytest.mark.real
def test_only_the_chosen_hash_is_accepted(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(real_data / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingAsset, match="a" * 64):
        create_estimator("mediapipe-tasks", tmp_path / "a.mp4", model_sha256="a" * 64)
    estimator = create_estimator("mediapipe-tasks", tmp_path / "a.mp4")
    assert estimator.settings["model_sha256"] in KNOWN_SHA256
    estimator.close()


def test_a_mediapipe_without_this_interface_is_explained(
    empty_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_world / MODEL).write_bytes(b"model")
    vision = ModuleType("mediapipe.tasks.python.vision")
    monkeypatch.setattr(import_module("mediapipe.tasks.python"), "vision", vision)
    with pytest.raises(MissingAsset, match="no Tasks Holistic") as caught:
        create_estimator("mediapipe-tasks", tmp_path, model_sha256=sha256_file(empty_world / MODEL))
    assert "<0.10.30" in str(caught.value.hint)


def test_absent_mediapipe_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingAsset, match="cannot be imported"):
        create_estimator("mediapipe-tasks", tmp_path)


@pytest.mark.real
@pytest.mark.parametrize(
    ("clip", "body_px", "hand_px"),
    [("asl_different.mp4", 1.5, 3.0), ("signing_test_video.mp4", 8.0, 10.0)],
)
def test_it_sees_what_the_classic_interface_sees(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, clip: str, body_px: float, hand_px: float
) -> None:
    """Two releases of the same networks: body, face and hands a few pixels apart at most."""
    monkeypatch.setenv(ENVIRONMENT, str(real_data / "models"))
    video = real_data / "clips" / clip
    frames = read_clip(video, 18, 15)
    size = frames[0][0].shape[1::-1]
    found = []
    for name in ("mediapipe", "mediapipe-tasks"):
        estimator = create_estimator(name, video)
        results = [estimator.process(*frame) for frame in frames]
        estimator.close()
        layout = get_layout(estimator.layout)
        # The ten points of the irises come last in the face; the classic layout lacks them.
        keep = [i for i, p in enumerate(layout.points) if p not in IRISES]
        found.append((np.stack([r.points[keep, :2] for r in results]) * size,
                      np.stack([r.valid[keep] for r in results])))  # fmt: skip
    both = found[0][1] & found[1][1]
    apart = np.linalg.norm(found[0][0] - found[1][0], axis=2)
    for part, limit in (("POSE", body_px), ("FACE", body_px), ("RIGHT_HAND", hand_px)):
        here = list(get_layout("mediapipe_holistic_543").component(part))
        here = here[:17] if part == "POSE" else here
        assert both[:, here].any(axis=1).mean() > 0.3, part
        assert np.median(apart[:, here][both[:, here]]) < limit, part


IRISES = {f"FACE.{i}" for i in range(468, 478)}


@pytest.mark.real
def test_irises_lie_in_the_eyes_of_their_own_side(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(real_data / "models"))
    video = real_data / "clips" / "Zug.mp4"
    estimator = create_estimator("mediapipe-tasks", video)
    found = [estimator.process(*frame) for frame in read_clip(video, 0, 3)][-1]
    estimator.close()
    layout = get_layout(estimator.layout)

    def x(point: int) -> float:
        return float(found.points[layout.index(f"FACE.{point}"), 0])

    for iris, corners in ((468, (33, 133)), (473, (362, 263))):
        assert min(map(x, corners)) < x(iris) < max(map(x, corners))
    for point in IRISES:
        assert layout.points[layout.flip[layout.index(point)]] in IRISES
