"""Mutated copies of real clips through the whole extractor."""

from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError
from slt_cli.pipelines.extract import extract_many
from slt_cli.pipelines.extraction.inputs import find_sources
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.pipelines.extraction.tasks import Task
from slt_cli.pipelines.result import silent
from slt_cli.video.source import open_source
from tests.video.mutate import copies

CLIPS = ("Zug", "Zug2", "asl_different", "asl_house", "signing_test_video")
OPTIONS = ExtractOptions(stride=4, crop_size=64, streams=("hand_r",))


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_no_damaged_copy_crashes_hangs_or_passes_for_whole(
    real_data: Path, tmp_path: Path, clip: str
) -> None:
    damaged = copies(real_data / "clips" / f"{clip}.mp4", tmp_path / "damaged")
    assert len(damaged) == 60
    tasks = [
        Task(source, ClipSpan(source.video_id))
        for source in find_sources([str(path) for path in damaged]).sources
    ]
    corpus = CorpusPaths.from_root(tmp_path / "corpus")
    outcome = extract_many(tasks, corpus, OPTIONS, workers=2, report=silent)
    assert len(outcome.done) + len(outcome.failed) == 60
    for name, error in outcome.failed.items():
        assert isinstance(error, InputError), (name, error)
        assert "too long" not in error.message, name  # none hangs
        assert "crashed" not in error.message, name
    whole = {path.suffix[1:]: _frames(path) for path in (tmp_path / "damaged/whole").iterdir()}
    for record in outcome.done:
        assert record["estimator"]["name"] == "mediapipe"
        container, _, kind = record["video_id"].split("-")[-3:]
        if record["status"] == "ok":  # flipped or zeroed without a trace: no frame may be missing
            assert kind != "cut"
            assert record["frames"]["keypoints"] >= whole[container] // OPTIONS.stride, record
    assert {record["status"] for record in outcome.done} == {"ok", "damaged"}


def _frames(path: Path) -> int:
    with open_source(path) as source:
        return sum(1 for _ in source)
