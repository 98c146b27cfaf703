"""Clips as training reads them again and again: normalised, whole, kept while there is room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import get_worker_info

from slt_cli.corpus.clip_files import load_clip_keypoints, load_pose
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.clip_head import landmarks_of
from slt_cli.data.inputs import Masks, ModelInputs, Points
from slt_cli.data.mirror import mirror_keypoints, mirror_landmarks, mirror_stored_pose
from slt_cli.errors import InputError
from slt_cli.landmarks import signmusketeers
from slt_cli.landmarks.layouts import get_layout

CACHE_BYTES = 512 * 2**20
"""Room for the clips of one data set; loading processes divide it among them."""
_KEYPOINTS = "keypoints_"


@dataclass(frozen=True)
class Clip:
    """Streams of points (T, V, C) with their masks (T, V), times (T,), crop sources (3, T).

    `mirrored_pose` is there when the pose of the mirrored recording does not follow from the pose.
    """

    points: Points
    valid: Masks
    time_s: npt.NDArray[np.float64]
    crop_source: npt.NDArray[np.uint8]
    landmarks: dict[str, Any]
    mirrored_pose: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None = None

    @property
    def num_bytes(self) -> int:
        """Memory of its arrays."""
        arrays = [*self.points.values(), *self.valid.values(), *(self.mirrored_pose or ())]
        return sum(array.nbytes for array in (*arrays, self.time_s, self.crop_source))

    def at(self, frames: npt.NDArray[np.int64], *, mirrored: bool = False) -> tuple[Points, Masks]:
        """Points and masks of these frames, as arrays of their own; of the mirrored recording."""
        points = {name: array[frames] for name, array in self.points.items()}
        valid = {name: mask[frames] for name, mask in self.valid.items()}
        return self._mirrored(points, valid, frames) if mirrored else (points, valid)

    def _mirrored(
        self, points: Points, valid: Masks, frames: npt.NDArray[np.int64]
    ) -> tuple[Points, Masks]:
        layout = get_layout(self.landmarks["layout"])
        parts = [name.removeprefix(_KEYPOINTS) for name in points if name.startswith(_KEYPOINTS)]
        moved, seen = mirror_keypoints(
            {part: points[_KEYPOINTS + part] for part in parts},
            {part: valid[_KEYPOINTS + part] for part in parts}, layout,
        )  # fmt: skip
        mirrored = {_KEYPOINTS + part: moved[part] for part in parts}
        masks = {_KEYPOINTS + part: seen[part] for part in parts}
        if "pose" in points and self.mirrored_pose is not None:
            pose, seen_pose = self.mirrored_pose
            mirrored["pose"], masks["pose"] = pose[frames], seen_pose[frames]
        elif "pose" in points:
            mirrored["pose"], masks["pose"] = mirror_stored_pose(
                points["pose"], valid["pose"], layout
            )
        return mirrored, masks


class ClipCache:
    """Loads clips and keeps as many as fit into `CACHE_BYTES`, the first ones.

    None is ever given up for another: when every clip is read once in an epoch, that can only lose.
    """

    def __init__(self, corpus: CorpusPaths, inputs: ModelInputs, *, mirror: bool) -> None:
        self._corpus = corpus
        self._inputs = inputs
        self._mirror = mirror
        self._kept: dict[str, Clip] = {}
        self._num_bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        """A process that gets a copy begins with an empty one."""
        return self.__dict__ | {"_kept": {}, "_num_bytes": 0}

    def read(self, video_id: str) -> Clip:
        """The clip. Raises `InputError` naming it and its file when it cannot be read."""
        if video_id in self._kept:
            return self._kept[video_id]
        clip = self._load(video_id)
        if self._num_bytes + clip.num_bytes <= _room():
            self._kept[video_id] = clip
            self._num_bytes += clip.num_bytes
        return clip

    def _load(self, video_id: str) -> Clip:
        path = self._corpus.pose(video_id)
        stored = load_clip_keypoints(self._corpus.keypoints(video_id))
        points, valid = self._inputs.points(stored, lambda: load_pose(path))
        if "pose" in points and len(points["pose"]) != len(stored):
            raise InputError(
                f"clip {video_id}: {len(points['pose'])} frames of pose for {len(stored)} of "
                "keypoints", where=str(path), hint="slt validate CORPUS, then slt extract again",
            )  # fmt: skip
        by_keypoints = "pose" in points and self._inputs.pose == signmusketeers.NAME
        mirrored = (
            signmusketeers.signmusketeers_pose(mirror_landmarks(stored))
            if by_keypoints and self._mirror
            else None
        )
        return Clip(
            points, valid, stored.time_s, stored.crop_source, landmarks_of(stored), mirrored
        )


def _room() -> int:
    worker = get_worker_info()
    return CACHE_BYTES // (worker.num_workers if worker else 1)
