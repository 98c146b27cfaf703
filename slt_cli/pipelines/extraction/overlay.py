"""Drawings of a clip, made from the stored files so that they show what was stored."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ASSUMED_FPS, ClipKeypoints
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout
from slt_cli.landmarks.overlay import contact_sheet, draw_overlay, encode_png, overlay_size
from slt_cli.storage.atomic import write_bytes
from slt_cli.video.encode import VideoWriter
from slt_cli.video.source import open_source

_ON_SHEET = 12
_SAME_S = 5e-4  # times closer than this are the same frame


def overlay_clip(
    video: Path, clip: ClipKeypoints, mp4_path: Path, sheet_path: Path, *, frames_fps: float = 25.0
) -> None:
    """Decode `video` again and draw the landmarks and crop boxes of `clip` over its frames.

    Writes a video and a contact sheet of 12 frames spread over the clip. Raises `InputError` when
    the video does not have the clip's size and frames.
    """
    layout = get_layout(clip.layout)
    on_sheet = set(np.linspace(0, len(clip) - 1, min(_ON_SHEET, len(clip))).round().astype(int))
    sheet, drawn = [], 0
    span = (float(clip.time_s[0]) - _SAME_S, float(clip.time_s[-1]) + _SAME_S)
    with (
        open_source(
            video, span=span, frames_fps=frames_fps,
            keep=lambda time_s: _frame_at(clip.time_s, time_s) is not None,
        ) as source,
        VideoWriter(mp4_path, *overlay_size(clip.frame_size), _rate(clip)) as writer,
    ):  # fmt: skip
        for frame in source:
            i = _frame_at(clip.time_s, frame.time_s)
            if i is None or frame.rgb.shape[1::-1] != clip.frame_size:
                raise _another_video(video)
            image = draw_overlay(
                frame.rgb, clip.keypoints[i], clip.valid[i], layout, clip.crop_box[:, i],
                clip.crop_source[:, i], f"frame {i}  {clip.time_s[i]:.2f} s",
            )  # fmt: skip
            writer.write(image)
            drawn += 1
            if i in on_sheet:
                sheet.append(image)
        if drawn != len(clip):
            raise _another_video(video)
    write_bytes(sheet_path, encode_png(contact_sheet(sheet)))


def _frame_at(times: npt.NDArray[np.float64], time_s: float) -> int | None:
    i = int(np.searchsorted(times, time_s - _SAME_S))
    return i if i < len(times) and abs(times[i] - time_s) <= _SAME_S else None


def _rate(clip: ClipKeypoints) -> Fraction:
    """Frames per second of the drawing: those that were kept, in the time that they cover."""
    if len(clip) < 2:
        return clip.fps or Fraction(ASSUMED_FPS)
    step_s = float(np.median(np.diff(clip.time_s)))
    if clip.fps and abs(step_s * clip.fps - 1) < 0.01:
        return clip.fps
    return Fraction(1 / step_s).limit_denominator(1001)


def _another_video(video: Path) -> InputError:
    return InputError(
        "the clip was not made from this video: sizes or frames differ", where=str(video),
        hint="slt extract VIDEO --overwrite",
    )  # fmt: skip
