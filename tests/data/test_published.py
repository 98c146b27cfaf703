"""Keypoints of the kind `published` against what the published code of MSKA feeds its network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.data.augment import KeypointAugmentation
from slt_cli.data.inputs import ModelInputs
from slt_cli.data.thin import central_frames
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.normalise import PUBLISHED
from tests.parity import Record, check_close, check_equal, numbers

pytestmark = pytest.mark.real
LAYOUT = get_layout("coco_wholebody_133")
SETS = ["p14t", "csl"]
TOLERANCE = 1e-6


def clip_of(pixels: np.ndarray, size: np.ndarray) -> ClipKeypoints:
    """What an extraction would have stored: places in [0, 1] of the picture."""
    frames = len(pixels)
    stored = pixels.astype(np.float64) / [*size, 1]
    return ClipKeypoints(
        keypoints=stored.astype(np.float32), z=np.zeros((frames, 133), np.float32),
        valid=np.ones((frames, 133), bool), time_s=np.arange(frames) / 25,
        crop_box=np.zeros((3, frames, 4), np.int32), crop_source=np.zeros((3, frames), np.uint8),
        layout=LAYOUT.name, frame_size=(int(size[0]), int(size[1])), fps=None,
    )  # fmt: skip


def streams_of(data: dict[str, Tensor], number: int) -> dict[str, np.ndarray]:
    """The streams of the frames that are read of one clip."""
    clip = clip_of(data[f"pixels{number}"].numpy(), data["width_height"].numpy())
    inputs = ModelInputs(streams=("keypoints",), sequence_length=400, keypoints=PUBLISHED)
    points, valid = inputs.points(clip, lambda: np.zeros((0, 0), np.float32))
    assert all(mask.all() for mask in valid.values())
    frames = inputs.frames(clip.time_s)
    return {name.removeprefix("keypoints_"): x[frames] for name, x in points.items()}


@pytest.mark.parametrize("name", SETS)
def test_pixels_become_the_published_keypoints(
    real_data: Path, record_property: Record, name: str
) -> None:
    data = numbers(real_data, f"mska_preprocess_{name}.npz")
    for part, points in LAYOUT.streams.items():
        found, expected = [], []
        for i, length in enumerate(data["src_length"].tolist()):
            x = streams_of(data, i)[part]
            assert len(x) == length
            found.append(torch.from_numpy(x))
            expected.append(data["keypoint"][i, :, :length].permute(1, 2, 0)[:, points])
        what = f"MSKA, keypoints of {name}, stream {part}"
        check_close(record_property, what, torch.cat(found), torch.cat(expected), TOLERANCE)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("key", "degrees"), [("m15", -15.0), ("p7_5", 7.5)])
def test_rotation_has_the_published_sense(
    real_data: Path, record_property: Record, name: str, key: str, degrees: float
) -> None:
    data = numbers(real_data, f"mska_preprocess_{name}.npz")
    one = (1.0, 1.0)
    augmentation = KeypointAugmentation(
        scale=one, rotate=(degrees, degrees), translate=(0.0, 0.0), resample=one, kind=PUBLISHED
    )
    found, expected = [], []
    for i, length in enumerate(data["src_length"].tolist()):
        streams = streams_of(data, i)
        turned = augmentation.points(streams, np.random.default_rng(0))["body"]
        np.testing.assert_array_equal(turned[..., 2], streams["body"][..., 2])
        found.append(torch.from_numpy(turned[..., :2]))
        expected.append(data[f"rotated_xy_{key}"][i, :length][:, LAYOUT.streams["body"]])
    what = f"MSKA, keypoints of {name} turned by {degrees} degrees"
    check_close(record_property, what, torch.cat(found), torch.cat(expected), TOLERANCE)


def test_frames_are_the_published_choice(real_data: Path, record_property: Record) -> None:
    data = numbers(real_data, "mska_preprocess_p14t.npz")
    choices = {int(key.rsplit("_")[-1]): data[key] for key in data if key.startswith("eval_index_")}
    same = [
        central_frames(num_frames, 400).tolist() == expected.tolist()
        for num_frames, expected in choices.items()
    ]
    check_equal(record_property, "MSKA, frames read of clips of 5 to 1001 frames", sum(same), 7)
