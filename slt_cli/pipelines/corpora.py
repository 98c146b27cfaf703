"""Where the corpus of the settings lies."""

from __future__ import annotations

from slt_cli.corpus.paths import CorpusPaths
from slt_cli.settings.data import DataSettings


def corpus_paths(data: DataSettings) -> CorpusPaths:
    """Where everything of the corpus lies: `data.corpus`, with single paths replaced."""
    names = (
        "face_dir", "hand_left_dir", "hand_right_dir", "pose_dir", "keypoints_dir", "metadata_csv",
        "gloss_csv", "train_index", "val_index", "test_index",
    )  # fmt: skip
    given = {name: getattr(data, name) for name in names}
    return CorpusPaths.from_root(data.corpus, **{n: p for n, p in given.items() if p is not None})
