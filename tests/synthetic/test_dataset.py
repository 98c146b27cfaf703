from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from slt_cli.synthetic.dataset import plan_demo_clips, render_clip, write_demo_videos
from slt_cli.synthetic.lexicon import GLOSSES
from slt_cli.synthetic.signers import TEST_SIGNER

SIZES = {"num_train": 8, "num_val": 2, "num_test": 2}


def silent(event: str, **facts: Any) -> None:
    """Report to nobody."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=";"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    write_demo_videos(root / "videos", root / "corpus", seed=0, workers=1, report=silent, **SIZES)
    return root


def test_tables_follow_the_data_contract(demo: Path) -> None:
    meta = rows(demo / "corpus" / "meta.csv")
    assert list(meta[0]) == ["video_id", "texto", "signer"]
    assert len(meta) == 12
    gloss = rows(demo / "corpus" / "annotations" / "gloss.csv")
    assert list(gloss[0]) == ["video_id", "gloss", "ctc_labels"]
    assert [row["video_id"] for row in gloss] == [row["video_id"] for row in meta]
    for row in gloss:
        names = [sorted(GLOSSES)[int(label) - 1] for label in row["ctc_labels"].split()]
        assert names == row["gloss"].split()
    listed = [
        row["video_id"]
        for split in ("train", "val", "test")
        for row in rows(demo / "corpus" / "index" / f"{split}.csv")
    ]
    assert listed == [row["video_id"] for row in meta]


def test_every_listed_clip_has_a_video_and_its_landmarks(demo: Path) -> None:
    for row in rows(demo / "corpus" / "meta.csv"):
        video = demo / "videos" / f"{row['video_id']}.mp4"
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            assert stream.average_rate == 15
        with np.load(video.with_suffix(".landmarks.npz")) as truth:
            assert truth["points"].shape == (len(pictures), 543, 3)
            np.testing.assert_allclose(truth["time_s"], np.arange(len(pictures)) / 15)
        assert pictures[0].shape == (256, 256, 3)
    assert len(list((demo / "videos").iterdir())) == 24


def test_test_signer_is_never_seen_in_training() -> None:
    clips = plan_demo_clips(0, 60, 12, 12)
    assert {c.signer for c in clips if c.split == "test"} == {TEST_SIGNER.name}
    others = {c.signer for c in clips if c.split != "test"}
    assert len(others) >= 5
    assert TEST_SIGNER.name not in others


def test_workers_change_nothing(demo: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def report(event: str, **facts: Any) -> None:
        assert event == "render"
        seen.append(facts["done"])

    write_demo_videos(
        tmp_path / "videos", tmp_path / "corpus", seed=0, workers=2, report=report, **SIZES
    )
    assert seen == list(range(1, 13))
    for path in sorted(p for p in demo.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(demo)).read_bytes() == path.read_bytes()


def test_one_clip_can_be_rendered_alone(tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "one.mp4", ["YO", "CASA", "VER"], "ana", seed=3)
    with np.load(tmp_path / "one.landmarks.npz") as truth:
        np.testing.assert_array_equal(truth["points"], clip.points)
    assert clip.glosses == ("YO", "CASA", "VER")
