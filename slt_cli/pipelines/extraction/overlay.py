"""Drawings of a clip, made from the stored files so that they show what was stored."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from slt_cli.corpus.clip_files import ASSUMED_FPS, ClipKeypoints
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.overlay import contact_sheet, draw_overlay, encode_png, overlay_size
from slt_cli.storage.atomic import write_bytes
from slt_cli.video.decode import VideoReader
from slt_cli.video.encode import VideoWriter

_ON_SHEET = 12


def overlay_clip(video: Path, clip: ClipKeypoints, mp4_path: Path, sheet_path: Path) -> None:
    """Decode `video` again and draw the landmarks and crop boxes of `clip` over it.

    Writes a video and a contact sheet of 12 frames spread over the clip. Raises `InputError` when
    the video does not have the clip's size and frames.
    """
    layout = get_layout(clip.layout)
    on_sheet = set(np.linspace(0, len(clip) - 1, min(_ON_SHEET, len(clip))).round().astype(int))
    fps = clip.fps or Fraction(ASSUMED_FPS)
    sheet = []
    with (
        VideoReader(video) as reader,
        VideoWriter(mp4_path, *overlay_size(clip.frame_size), fps) as writer,
    ):
        for frame in reader:
            i = frame.index
            if i >= len(clip) or frame.rgb.shape[1::-1] != clip.frame_size:
                raise _another_video(video)
            image = draw_overlay(
                frame.rgb, clip.keypoints[i], clip.valid[i], layout, clip.crop_box[:, i],
                clip.crop_source[:, i], f"frame {i}  {clip.time_s[i]:.2f} s",
            )  # fmt: skip
            writer.write(image)
            if i in on_sheet:
                sheet.append(image)
        if reader.damage.frames != len(clip):
            raise _another_video(video)
    write_bytes(sheet_path, encode_png(contact_sheet(sheet)))


def _another_video(video: Path) -> InputError:
    return InputError(
        "the clip was not made from this video: sizes or frames differ", where=str(video),
        hint="slt extract VIDEO --overwrite",
    )  # fmt: skip
