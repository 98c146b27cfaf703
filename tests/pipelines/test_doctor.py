"""What `slt doctor` says, here and on machines that lack something."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import av
import pytest

from slt_cli.landmarks.estimators import ESTIMATORS
from slt_cli.landmarks.estimators.mediapipe_tasks import MODEL
from slt_cli.pipelines.doctor import DECODERS, MODELS, run_doctor
from slt_cli.storage.assets import ENVIRONMENT
from slt_cli.storage.hashes import sha256_file


@pytest.fixture(autouse=True)
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only asset folder that exists; empty."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "models"


def test_every_estimator_is_checked() -> None:
    facts = run_doctor().facts
    assert {f"estimator {name}" for name in ESTIMATORS} <= set(facts)


def test_a_model_file_that_is_not_there_is_reported_and_fails_nothing(assets: Path) -> None:
    result = run_doctor()
    tasks = result.facts["estimator mediapipe-tasks"]
    assert result.exit_code == 0
    assert not tasks["ok"]
    assert str(assets) in tasks["why"]
    assert ENVIRONMENT in tasks["fix"]
    assert result.facts["assets"][str(assets)] == "nothing of use"
    assert "no such folder" in result.facts["assets"].values()
    (line,) = [row for row in result.text.splitlines() if "mediapipe-tasks" in row]
    assert line.startswith("- ")
    assert result.counts["failed"] == 0
    assert result.counts["ok"] == sum(part["ok"] for part in result.facts.values())


def test_a_model_file_of_unknown_content_is_named_with_its_hash(assets: Path) -> None:
    (assets / MODEL).write_bytes(b"altered")
    facts = run_doctor().facts
    sha256 = sha256_file(assets / MODEL)
    assert "unknown content" in facts["assets"][str(assets)]
    assert sha256 in facts["assets"][str(assets)]
    assert not facts["estimator mediapipe-tasks"]["ok"]
    assert sha256 in facts["estimator mediapipe-tasks"]["why"]


@pytest.mark.real
def test_the_known_model_makes_its_estimator_usable(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(real_data / "models"))
    facts = run_doctor().facts
    assert facts["estimator mediapipe-tasks"]["ok"]
    assert facts["estimator mediapipe-tasks"]["model"] == str(real_data / "models" / MODEL)
    assert "(known content" in facts["assets"][str(real_data / "models")]


def test_the_models_that_are_looked_for_are_those_in_the_wheel(tmp_path: Path) -> None:
    facts = run_doctor().facts["estimator mediapipe"]
    assert facts["ok"]
    assert facts["models"] >= len(MODELS)
    assert "missing" not in facts


def test_without_mediapipe_it_fails_with_the_command_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    result = run_doctor()
    assert result.exit_code == 5
    assert "pip install" in result.facts["estimator mediapipe"]["fix"]
    assert "libgl1" in result.facts["estimator mediapipe"]["fix"]
    assert not result.facts["estimator mediapipe-tasks"]["ok"]
    assert result.facts["estimator precomputed"]["ok"]


def test_a_mediapipe_without_holistic_fails_with_the_versions_that_have_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = ModuleType("mediapipe")
    newer.__version__ = "1.2.2"
    newer.__file__ = str(tmp_path / "mediapipe" / "__init__.py")
    monkeypatch.setitem(sys.modules, "mediapipe", newer)
    result = run_doctor()
    facts = result.facts["estimator mediapipe"]
    assert result.exit_code == 5
    assert "<0.10.30" in facts["fix"]
    assert set(facts["missing"].split(", ")) == MODELS


def test_decoders_are_asked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = av.Codec

    def without(name: str, mode: str) -> object:
        if name in ("hevc", "libdav1d", "libaom-av1"):
            raise av.codec.codec.UnknownCodecError(name)
        return real(name, mode)

    assert run_doctor().facts["video codecs"]["decoders"].split(", ") == list(DECODERS)
    monkeypatch.setattr(av, "Codec", without)
    facts = run_doctor().facts["video codecs"]
    assert facts["ok"]
    assert facts["missing"] == "hevc, av1"
    assert "hevc" not in facts["decoders"]
