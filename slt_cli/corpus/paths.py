"""Where everything of a corpus lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slt_cli.errors import UsageError

CROP_STREAMS = ("face", "hand_l", "hand_r")
"""Names of the crop streams, in the order of `crop_box` and `crop_source`."""
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class CorpusPaths:
    """Folders and tables of one corpus; any of them may lie elsewhere than under `root`."""

    root: Path
    face_dir: Path
    hand_left_dir: Path
    hand_right_dir: Path
    pose_dir: Path
    keypoints_dir: Path
    metadata_csv: Path
    gloss_csv: Path
    train_index: Path
    val_index: Path
    test_index: Path
    manifest: Path
    shard_dir: Path

    @classmethod
    def from_root(cls, root: Path, **overrides: Path) -> CorpusPaths:
        """The usual places under `root`, with single ones replaced."""
        usual = {
            "face_dir": root / "face",
            "hand_left_dir": root / "hand_l",
            "hand_right_dir": root / "hand_r",
            "pose_dir": root / "pose",
            "keypoints_dir": root / "keypoints",
            "metadata_csv": root / "meta.csv",
            "gloss_csv": root / "annotations" / "gloss.csv",
            "train_index": root / "index" / "train.csv",
            "val_index": root / "index" / "val.csv",
            "test_index": root / "index" / "test.csv",
            "manifest": root / "metadata.jsonl",
            "shard_dir": root / "shards",
        }
        return cls(root=root, **(usual | overrides))

    def crop_dir(self, stream: str) -> Path:
        """Folder of the crops of `face`, `hand_l` or `hand_r`."""
        folders = dict(
            zip(CROP_STREAMS, (self.face_dir, self.hand_left_dir, self.hand_right_dir), strict=True)
        )
        return folders[stream]

    def crop_path(self, stream: str, video_id: str, frame: int) -> Path:
        """The JPEG of one frame."""
        return self.crop_dir(stream) / crop_name(video_id, frame)

    def keypoints(self, video_id: str) -> Path:
        """The landmarks of a clip; where there is no `.npz`, an older corpus may have a `.npy`."""
        path = self.keypoints_dir / f"{video_id}.npz"
        older = self.keypoints_dir / f"{video_id}.npy"
        return older if older.is_file() and not path.is_file() else path

    def pose(self, video_id: str) -> Path:
        """The signing-space pose of a clip."""
        return self.pose_dir / f"{video_id}.npz"

    def index(self, split: str) -> Path:
        """The list of clips in `train`, `val` or `test`. Raises `UsageError` for another name."""
        if split not in SPLITS:
            raise UsageError(f"unknown split {split!r}", hint="one of: " + ", ".join(SPLITS))
        path: Path = getattr(self, f"{split}_index")
        return path

    def manifest_for(self, shard: tuple[int, int] | None) -> Path:
        """The manifest that one job appends to; part i of n, counted from 0, has its own."""
        if shard is None:
            return self.manifest
        part, parts = shard
        return self.manifest.with_stem(f"{self.manifest.stem}-{part:05d}-of-{parts:05d}")


def crop_name(video_id: str, frame: int) -> str:
    """File name of one crop."""
    return f"{video_id}_f{frame:06d}.jpg"
