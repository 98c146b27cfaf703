"""A real video through every step, with the real estimator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slt_cli.pipelines.export import run_export
from slt_cli.pipelines.extract import run_extract
from slt_cli.pipelines.result import Result, silent
from slt_cli.pipelines.train import run_train
from slt_cli.pipelines.translate import run_translate
from slt_cli.pipelines.validate import run_validate
from slt_cli.settings.load import load_settings

pytestmark = pytest.mark.real
TINY = {
    "model.mska_width": 16, "model.mska_temporal_blocks": 2, "model.d_model": 16,
    "model.projector_dim": 16, "model.image_size": 32,
    "model.sequence_length": 12, "model.temporal_layers": 1, "model.decoder_layers": 1,
    "model.streams": ["keypoints", "pose"], "training.epochs": 1, "training.generate_every": 1,
    "data.max_target_length": 8,
}  # fmt: skip


def settings(**flags: Any) -> Any:
    return load_settings(flags={key.replace("__", "."): value for key, value in flags.items()})


@pytest.fixture(scope="module")
def clip(real_data: Path) -> Path:
    return real_data / "clips" / "asl_different.mp4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def extracted(clip: Path, folder: Path) -> Result:
    """Two copies of the clip in a corpus with its tables."""
    for name in ("one", "two"):
        (folder / f"{name}.mp4").write_bytes(clip.read_bytes())
    corpus = folder / "corpus"
    result = run_extract(
        [str(folder / "one.mp4"), str(folder / "two.mp4")],
        settings(extract__output=corpus).settings, silent,
    )  # fmt: skip
    (corpus / "meta.csv").write_text("video_id;texto\none;they differ\ntwo;they are not alike\n")
    (corpus / "index").mkdir()
    (corpus / "index" / "train.csv").write_text("one\n")
    (corpus / "index" / "val.csv").write_text("two\n")
    return result


def test_the_landmarks_come_from_mediapipe_and_both_hands_are_seen(
    extracted: Result, folder: Path
) -> None:
    assert extracted.exit_code == 0
    assert extracted.facts["estimators"] == ["mediapipe"]
    records = [json.loads(line) for line in (folder / "corpus" / "metadata.jsonl").open()]
    assert {record["estimator"]["name"] for record in records} == {"mediapipe"}
    for record in records:
        assert record["frames"]["keypoints"] == 64  # packets in the file
        assert record["coverage"]["face"] > 0.95
        assert min(record["coverage"]["left_hand"], record["coverage"]["right_hand"]) > 0.4


def test_two_copies_of_a_video_give_the_same_landmarks(extracted: Result, folder: Path) -> None:
    import numpy as np

    one, two = (np.load(folder / "corpus" / "keypoints" / f"{n}.npz") for n in ("one", "two"))
    for name in ("keypoints", "valid", "time_s", "crop_box"):
        np.testing.assert_array_equal(one[name], two[name])


def test_from_the_real_clip_to_a_sentence_by_run_and_by_bundle(
    extracted: Result, folder: Path, clip: Path
) -> None:
    corpus, run, bundle = folder / "corpus", folder / "run", folder / "bundle"
    assert run_validate(corpus, settings().settings, silent).counts["errors"] == 0
    flags = {"data.corpus": corpus, "data.work_dir": run, **TINY}
    trained = run_train(settings(**flags), silent)
    assert trained.counts == {"epochs": 1}
    exported = run_export(run, settings(export__output=bundle).settings, silent)
    assert exported.exit_code == 0
    said = []
    for model in (run, bundle):
        chosen = settings(translate__model=model).settings
        (row,) = run_translate([clip], chosen, silent).facts["videos"]
        assert (row["estimator"], row["frames"]) == ("mediapipe", 64)
        said.append((row["text"], row["glosses"]))
    assert said[0] == said[1]
