from __future__ import annotations

from pathlib import Path

import pytest

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import UsageError


def test_files_lie_where_the_contract_says() -> None:
    corpus = CorpusPaths.from_root(Path("c"))
    assert corpus.crop_path("face", "v", 0) == Path("c/face/v_f000000.jpg")
    assert corpus.crop_path("hand_l", "v", 12) == Path("c/hand_l/v_f000012.jpg")
    assert corpus.crop_path("hand_r", "v", 1234567) == Path("c/hand_r/v_f1234567.jpg")
    assert corpus.pose("v") == Path("c/pose/v.npz")
    assert corpus.keypoints("v") == Path("c/keypoints/v.npz")
    assert corpus.metadata_csv == Path("c/meta.csv")
    assert corpus.gloss_csv == Path("c/annotations/gloss.csv")
    assert corpus.index("val") == Path("c/index/val.csv")
    assert corpus.manifest == corpus.manifest_for(None) == Path("c/metadata.jsonl")
    assert corpus.manifest_for((3, 16)) == Path("c/metadata-00003-of-00016.jsonl")
    assert corpus.shard_dir == Path("c/shards")


def test_single_places_can_be_elsewhere() -> None:
    corpus = CorpusPaths.from_root(
        Path("c"), hand_left_dir=Path("d/left"), test_index=Path("t.csv")
    )
    assert corpus.crop_path("hand_l", "v", 0) == Path("d/left/v_f000000.jpg")
    assert corpus.index("test") == Path("t.csv")
    assert corpus.index("train") == Path("c/index/train.csv")


def test_older_npy_is_found_until_there_is_a_npz(tmp_path: Path) -> None:
    corpus = CorpusPaths.from_root(tmp_path)
    (tmp_path / "keypoints").mkdir()
    (tmp_path / "keypoints" / "v.npy").touch()
    assert corpus.keypoints("v").suffix == ".npy"
    (tmp_path / "keypoints" / "v.npz").touch()
    assert corpus.keypoints("v").suffix == ".npz"


def test_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match="dev"):
        CorpusPaths.from_root(Path("c")).index("dev")
