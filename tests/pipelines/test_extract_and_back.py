"""Real clips out of the extractor, through `.pose` files and back in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.pipelines.export_pose import run_export_pose
from slt_cli.pipelines.extract import run_extract
from slt_cli.pipelines.result import silent
from slt_cli.settings.load import load_settings
from slt_cli.settings.root import Settings


def settings(**flags: object) -> Settings:
    return load_settings(flags={k.replace("__", "."): v for k, v in flags.items()}).settings


@pytest.mark.real
def test_every_clip_comes_back_from_its_pose_file(real_data: Path, tmp_path: Path) -> None:
    there, poses, back = tmp_path / "there", tmp_path / "poses", tmp_path / "back"
    result = run_extract(
        [str(real_data / "clips")],
        settings(extract__output=there, extract__stride=5, extract__crop_size=32), silent,
    )  # fmt: skip
    assert result.counts == {"extracted": 5, "skipped": 0, "failed": 0}
    assert result.facts["estimators"] == ["mediapipe"]
    run_export_pose(there, [], settings(export__output=poses).export, silent)
    again = run_extract([str(poses)], settings(extract__output=back), silent)
    assert again.counts == {"extracted": 5, "skipped": 0, "failed": 0}
    for path in sorted((there / "keypoints").iterdir()):
        one = load_clip_keypoints(path)
        other = load_clip_keypoints(CorpusPaths.from_root(back).keypoints(path.stem))
        assert one.layout == other.layout
        np.testing.assert_array_equal(one.valid, other.valid)
        pixels = np.abs(one.keypoints - other.keypoints)[..., :2] * one.frame_size
        assert pixels.max() < 0.001
