"""Whether the files of each clip hold what the data contract promises."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import load_pose
from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.corpus.rules.clip import OpenClip
from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import clip_rule, corpus_rule
from slt_cli.errors import InputError
from slt_cli.landmarks.estimators.base import FARTHEST

_SHOWN = 5
_FPS_TOLERANCE = 0.1
_LARGEST_BOX = 8  # in frame sides


@corpus_rule("C000", "error", "no clips", why="there is nothing to check or to train on")
def no_clips(corpus: Corpus) -> Iterator[str]:
    """A corpus without landmark files."""
    if not corpus.clips:
        yield str(corpus.paths.keypoints_dir)


@corpus_rule(
    "C001", "error", "keypoint file cannot be read",
    why="cut, altered, not an array file, or holding Python objects, which are never loaded",
)  # fmt: skip
def unreadable_keypoints(corpus: Corpus) -> Iterator[str]:
    """Damaged and hostile array files."""
    yield from (f"{clip.video_id}: {clip.unreadable}" for clip in corpus.clips if clip.unreadable)


@clip_rule(
    "C002", "error", "pose does not fit the keypoints",
    why="both must be readable and show the same frames",
)  # fmt: skip
def pose_frames(clip: OpenClip) -> Iterator[str]:
    """The pose file is whole and as long as the keypoints."""
    if not clip.has_pose:
        return
    try:
        frames = len(load_pose(clip.paths.pose(clip.video_id)))
    except InputError as error:
        yield error.message
        return
    if frames != len(clip):
        yield f"{frames} pose frames for {len(clip)} of keypoints"


@clip_rule(
    "C003", "error", "crops do not fit the keypoints",
    why="frame i of every stream must show the same moment: no gaps, none too many",
)  # fmt: skip
def crop_frames(clip: OpenClip) -> Iterator[str]:
    """Each crop stream has frames 0 to T-1."""
    for stream in clip.crop_streams:
        found = clip.crops.frames(stream, clip.video_id)
        missing = np.setdiff1d(np.arange(len(clip)), found)
        beyond = found[found >= len(clip)]
        if len(missing) or len(beyond):
            yield (
                f"{stream}: {len(found)} crops for {len(clip)} frames"
                + (f", missing {_numbers(missing)}" if len(missing) else "")
                + (f", too many: {_numbers(beyond)}" if len(beyond) else "")
            )


@clip_rule("C005", "error", "time does not increase", why="frames are chosen by their times")
def time_increases(clip: OpenClip) -> Iterator[str]:
    """Every frame is later than the one before."""
    back = np.flatnonzero(np.diff(clip.arrays.time_s) <= 0) + 1
    if len(back):
        yield f"frames {_numbers(back)} are not later than the ones before"


@clip_rule("C006", "error", "clip without frames", why="it teaches nothing and breaks batches")
def no_frames(clip: OpenClip) -> Iterator[str]:
    """Arrays of length 0."""
    if not len(clip):
        yield "0 frames"


@clip_rule(
    "C010", "warning", "times do not fit the frame rate",
    why="one of them is wrong, and speeds are measured by them",
)  # fmt: skip
def fps_of_times(clip: OpenClip) -> Iterator[str]:
    """The usual step is one frame of the video, or several where frames were left out."""
    stored, steps = clip.arrays.fps, np.diff(clip.arrays.time_s)
    if not stored or not len(steps) or np.median(steps) <= 0:
        return
    step_s = float(np.median(steps))
    frames = step_s * float(stored)
    if abs(frames - max(1, round(frames))) > _FPS_TOLERANCE:
        yield f"{1 / step_s:.2f} frames per second by its times, {float(stored):.2f} stored"


@clip_rule(
    "C014", "error", "crop cannot be decoded",
    why="training reads it; a few crops of each clip are tried",
)  # fmt: skip
def crops_decode(clip: OpenClip) -> Iterator[str]:
    """Sampled crops are whole JPEGs."""
    for sample in clip.samples:
        if sample.problem:
            yield f"{sample.stream} frame {sample.frame}: {sample.problem}"


@clip_rule(
    "C015", "error", "crops are not those of the keypoints",
    why="a crop is black exactly where crop_source says missing; else one of them has shifted",
)  # fmt: skip
def crops_match_sources(clip: OpenClip) -> Iterator[str]:
    """Sampled crops are black where they are missing, and show something where detected."""
    for sample in clip.samples if clip.is_extracted else ():
        source = clip.arrays.crop_source[CROP_STREAMS.index(sample.stream), sample.frame]
        if sample.problem or source not in (0, 1) or sample.is_black == (source == 0):
            continue
        told, shown = ("missing", "a picture") if source == 0 else ("detected", "black")
        yield f"{sample.stream} frame {sample.frame} is {told} and the crop is {shown}"


@clip_rule(
    "C017", "error", "values where nothing was seen",
    why="what is missing is 0 in the arrays and False in `valid`, or models learn from leftovers",
)  # fmt: skip
def missing_is_zero(clip: OpenClip) -> Iterator[str]:
    """Arrays are 0 where the mask is False."""
    arrays = clip.arrays
    left = (arrays.keypoints.any(axis=2) | (arrays.z != 0)) & ~arrays.valid
    if left.any():
        frames = np.flatnonzero(left.any(axis=1))
        yield f"{left.sum()} points in frames {_numbers(frames)}"


@clip_rule(
    "C018", "error", "confidence outside [0, 1]", why="it is read as a probability"
)  # fmt: skip
def confidence_range(clip: OpenClip) -> Iterator[str]:
    """The third channel is a confidence."""
    confidence = clip.arrays.keypoints[..., 2]
    if len(clip) and (confidence.min() < 0 or confidence.max() > 1):
        yield f"from {confidence.min():.3g} to {confidence.max():.3g}"


@clip_rule(
    "C019", "error", "points far outside the frame",
    why="x and y are parts of the frame's width and height, not pixels",
)  # fmt: skip
def points_near_frame(clip: OpenClip) -> Iterator[str]:
    """No point lies further away than an estimator may put it."""
    xy = clip.arrays.keypoints[..., :2]
    far = (np.abs(xy) > FARTHEST).any(axis=2) & clip.arrays.valid
    if far.any():
        low, high = xy[far].min(), xy[far].max()
        yield f"{far.sum()} points, coordinates from {low:.4g} to {high:.4g}"


@clip_rule(
    "C020", "error", "crop box is no square on the picture",
    why="crops are square parts of the picture; a box elsewhere shows something else",
)  # fmt: skip
def crop_boxes(clip: OpenClip) -> Iterator[str]:
    """Boxes of crops that are there are squares that overlap the frame; sources are known."""
    if not clip.is_extracted:
        return
    for stream, boxes, source in zip(
        CROP_STREAMS, clip.arrays.crop_box, clip.arrays.crop_source, strict=True
    ):
        wrong = (source > 3) | ((source > 0) & ~_square_on(boxes, clip.arrays.frame_size))
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            yield (
                f"{stream}: {wrong.sum()} frames, such as {first}: box "
                f"{boxes[first].tolist()}, source {source[first]}"
            )


def _square_on(boxes: npt.NDArray[np.int32], frame_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    width, height = frame_size
    left, top, right, bottom = boxes.T
    square = (right - left == bottom - top) & (right > left)
    overlaps = (left < width) & (top < height) & (right > 0) & (bottom > 0)
    good: npt.NDArray[np.bool_] = (
        square & overlaps & (right - left <= _LARGEST_BOX * max(frame_size))
    )
    return good


def _numbers(numbers: npt.NDArray[np.int64]) -> str:
    """First numbers in words: `3, 4, 9 and 20 more`."""
    shown = ", ".join(str(number) for number in numbers[:_SHOWN])
    more = len(numbers) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
