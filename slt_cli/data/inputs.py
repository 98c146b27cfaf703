"""What a model reads of a clip. No torch: exported bundles use it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import POSE_NORM, ClipKeypoints
from slt_cli.data.interpolate import fill_gaps, fill_points
from slt_cli.data.thin import central_frames, thin_by_time
from slt_cli.landmarks import signmusketeers
from slt_cli.landmarks.normalise import PUBLISHED, SIGNER, normalise_keypoints

Points = dict[str, npt.NDArray[np.float32]]
Masks = dict[str, npt.NDArray[np.bool_]]
StoredPose = Callable[[], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ModelInputs:
    """Streams, frames and points of a clip, as one model reads them.

    `streams` are `keypoints`, `pose`, `face`, `hand_left`, `hand_right`; `sequence_length` counts
    frames, `image_size` pixels. `keypoints` is a kind of `landmarks.normalise`; those missing for
    at most `interpolate_gap` frames are filled and count as valid; `center` puts the signer into
    their origin, else the middle of the picture is. `pose` is `signing_space_v1` (the first
    `pose_landmarks` points of the stored pose) or `signmusketeers` (seven points).
    """

    streams: tuple[str, ...]
    sequence_length: int
    image_size: int = 224
    keypoints: str = SIGNER
    interpolate_gap: int = 0
    pose: str = POSE_NORM
    pose_landmarks: int = 17
    center: bool = True

    @property
    def pose_shape(self) -> tuple[int, int]:
        """Points of the pose and values of each: x, y and, in the stored pose, visibility."""
        if self.pose == signmusketeers.NAME:
            return len(signmusketeers.POINTS), 2
        return self.pose_landmarks, 3

    @property
    def pose_dim(self) -> int:
        """Values of the pose in one frame; 0 when the model reads none."""
        return prod(self.pose_shape) if "pose" in self.streams else 0

    def frames(self, time_s: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """The frames that are read, at most `sequence_length`."""
        if self.keypoints == PUBLISHED:
            return central_frames(len(time_s), self.sequence_length)
        return thin_by_time(time_s, self.sequence_length)

    def points(self, clip: ClipKeypoints, stored_pose: StoredPose) -> tuple[Points, Masks]:
        """`keypoints_<part>` (T, V, 3) and `pose` (T, *pose_shape), with a mask (T, V) for each.

        `stored_pose` gives the clip's signing-space pose (T, 3 * L), missing -1, if it is needed.
        """
        points: Points = {}
        valid: Masks = {}
        if "keypoints" in self.streams:
            filled = fill_gaps(clip, self.interpolate_gap)
            streams = normalise_keypoints(filled, self.keypoints, center=self.center)
            for name, part in streams.items():
                points[f"keypoints_{name}"], valid[f"keypoints_{name}"] = part.x, part.valid
        if "pose" in self.streams:
            points["pose"], valid["pose"] = self._pose(clip, stored_pose)
        return points, valid

    def filled(
        self,
        points: npt.NDArray[np.float32],
        valid: npt.NDArray[np.bool_],
        time_s: npt.NDArray[np.float64],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Keypoints (T, V, C) and mask (T, V): zeros where not valid, then short gaps filled."""
        points = np.where(valid[..., None], points, np.float32(0))
        return fill_points(points, valid, time_s, self.interpolate_gap)

    def _pose(
        self, clip: ClipKeypoints, stored_pose: StoredPose
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        if self.pose == signmusketeers.NAME:
            return signmusketeers.signmusketeers_pose(clip)
        pose = stored_pose()
        stored = pose.reshape(len(pose), -1, 3)[:, : self.pose_landmarks]
        points = np.full((len(pose), *self.pose_shape), -1, np.float32)
        points[:, : stored.shape[1]] = stored
        return np.maximum(points, 0.0), points[..., 0] >= 0
