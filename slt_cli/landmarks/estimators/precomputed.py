"""Landmarks of a video that were found before, by whatever program, and lie in a file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.base import FrameLandmarks, usable_landmarks
from slt_cli.landmarks.formats import is_landmark_source, read_tracks
from slt_cli.landmarks.formats.track import ASSUMED_FPS, LandmarkTrack
from slt_cli.video.probe import open_video
from slt_cli.video.source import source_info

_FEW = 3
"""Frames that decoders may disagree about at the ends of a video."""
_FPS_OFF = 1.0  # old .pose files cut the frame rate to a whole number
_EDGE = 0.01  # of a step, for times that were rounded


class PrecomputedEstimator:
    """Gives each frame of a video the landmarks that a file of the same name holds for its time.

    The file lies in `landmarks_dir` and is called like the video but for its ending; any format of
    `slt_cli.landmarks.formats` will do, or a folder of OpenPose's JSON files. Frames are matched by
    their order where the file has no measured times of its own. No pixel is looked at.

    Raises `InputError` when there is no such file or more than one, and when its number of frames
    or frame rate is not that of the video.
    """

    name = "precomputed"
    sees_pixels = False

    def __init__(self, video_path: Path, landmarks_dir: Path) -> None:
        self.path = _landmarks_of(video_path, landmarks_dir)
        video = _video(video_path)
        self._track = _only_track(self.path, video)
        self._time_s = _times(self._track, video, self.path)
        self._reach_s = (0.5 + _EDGE) * _step(self._time_s)
        self.layout = self._track.layout
        self.version = self._track.file_format
        self.settings: dict[str, Any] = {"estimator": self._track.estimator}

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the nearest frame within half a step of `time_s`, else nothing is valid."""
        after = int(np.searchsorted(self._time_s, time_s))
        near = [i for i in (after - 1, after) if 0 <= i < len(self._time_s)]
        index = min(near, key=lambda i: abs(float(self._time_s[i]) - time_s))
        there = abs(float(self._time_s[index]) - time_s) <= self._reach_s
        track = self._track
        return usable_landmarks(
            track.points[index], track.confidence[index], track.valid[index] & there
        )

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class _Video:
    """What the video says. A folder of pictures has no times (N,) of its own, only a number."""

    num_frames: int
    time_s: npt.NDArray[np.float64]
    frame_size: tuple[int, int]
    fps: Fraction | None


def _video(path: Path) -> _Video:
    info = source_info(path)
    size = (info.width, info.height)
    if path.is_dir():
        return _Video(info.num_frames, np.zeros(0), size, None)
    with open_video(path) as (container, stream):
        unit = stream.time_base or Fraction(1, 1000)
        stamps = [p.pts for p in container.demux(stream) if p.size and p.pts is not None]
    times = np.array([float(stamp * unit) for stamp in sorted(stamps)])
    return _Video(len(times), times, size, info.fps)


def _landmarks_of(video: Path, folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(
            "no such folder of landmark files", where=str(folder),
            hint="slt extract --estimator precomputed --landmarks-dir FOLDER",
        )  # fmt: skip
    found = [
        path for path in sorted(folder.iterdir())
        if video.stem in (path.stem, path.name) and path != video and is_landmark_source(path)
    ]  # fmt: skip
    if len(found) != 1:
        many = f"{len(found)} files have landmarks: {', '.join(path.name for path in found)}"
        none = f"no landmarks of {video.name}: {video.stem}.pose, .npz, .npy or .pkl expected"
        raise InputError(
            many if found else none, where=str(folder),
            hint="keep one of them" if found else "slt extract --estimator mediapipe",
        )  # fmt: skip
    return found[0]


def _only_track(path: Path, video: _Video) -> LandmarkTrack:
    tracks = list(read_tracks(path, frame_size=video.frame_size, fps=video.fps))
    if len(tracks) != 1:
        raise InputError(
            f"{len(tracks)} clips in the file, one expected", where=str(path),
            hint="import all of them instead: slt extract FILE",
        )  # fmt: skip
    return tracks[0][1]


def _times(track: LandmarkTrack, video: _Video, path: Path) -> npt.NDArray[np.float64]:
    """When each frame of the track is shown, in the video's own time."""
    if track.is_timed and len(video.time_s):
        step_s = _step(track.time_s)
        if abs(track.time_s[-1] - video.time_s[-1]) > _FEW * step_s:
            raise _mismatch(
                path, f"an end at {video.time_s[-1]:.2f} s", f"{track.time_s[-1]:.2f} s"
            )
        return track.time_s
    if abs(len(track) - video.num_frames) > _FEW:
        raise _mismatch(path, f"{video.num_frames} frames", f"{len(track)}")
    if not len(video.time_s):
        return track.time_s
    step_s = _step(video.time_s)
    rates = [1 / step_s, float(video.fps or 1 / step_s)]  # the usual one and the mean
    if track.fps and all(abs(float(track.fps) - rate) >= _FPS_OFF for rate in rates):
        raise _mismatch(path, f"{rates[1]:.2f} frames per second", f"{float(track.fps):.2f}")
    beyond = video.time_s[-1] + step_s * np.arange(1, _FEW + 1)
    times: npt.NDArray[np.float64] = np.concatenate([video.time_s, beyond])[: len(track)]
    return times


def _mismatch(path: Path, expected: str, found: str) -> InputError:
    return InputError(
        f"landmarks of another video: expected {expected} like the video, found {found}",
        where=str(path), hint="estimate them again on this video, or remove the file",
    )  # fmt: skip


def _step(time_s: npt.NDArray[np.float64]) -> float:
    """Usual seconds between frames."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / ASSUMED_FPS
