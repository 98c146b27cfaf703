"""The clip that a mirror shows: a signer of the other dominant hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from slt_cli.landmarks.layouts import Layout, get_layout
from slt_cli.landmarks.normalise import Landmarks

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

OPPOSITE = {"hand_left": "hand_right", "hand_right": "hand_left"}
"""Part -> the part whose place it takes in a mirror; the others stay."""


def mirror_keypoints(
    points: Mapping[str, Floats], valid: Mapping[str, Bools], layout: Layout
) -> tuple[dict[str, Floats], dict[str, Bools]]:
    """Normalised streams, part -> (T, V, C) and (T, V), of the mirrored recording.

    x is negated about the origin, hands change places, and so do left and right points inside body
    and face. Missing points stay where they are, for the published network reads their place.
    """
    mirrored, seen = {}, {}
    for part in points:
        source = OPPOSITE.get(part, part)
        order = _order(layout, part)
        x, seen[part] = points[source][:, order], valid[source][:, order]
        x[..., 0] = np.where(seen[part], -x[..., 0], x[..., 0])
        mirrored[part] = x
    return mirrored, seen


def mirror_stored_pose(pose: Floats, valid: Bools, layout: Layout) -> tuple[Floats, Bools]:
    """A signing-space pose (T, L, 3) and its mask (T, L) of the mirrored recording.

    A point whose counterpart is not among the L is missing. Up to the wrists, 17 points in every
    layout, none is.
    """
    component = layout.component("POSE")[: pose.shape[1]]
    place = {point: i for i, point in enumerate(component)}
    order = np.full(pose.shape[1], -1)
    order[: len(component)] = [place.get(layout.flip[point], -1) for point in component]
    mirrored, seen = pose[:, order], valid[:, order] & (order >= 0)
    mirrored[..., 0] = 1 - mirrored[..., 0]
    return mirrored * seen[..., None], seen


def mirror_landmarks(clip: Landmarks) -> Landmarks:
    """The landmarks of the mirrored recording; `x` of missing points stays 0."""
    flip = list(get_layout(clip.layout).flip)
    keypoints, valid = clip.keypoints[:, flip], clip.valid[:, flip]
    keypoints[..., 0] = np.where(valid, 1 - keypoints[..., 0], keypoints[..., 0])
    return _Mirrored(keypoints, valid, clip.layout, clip.frame_size)


@dataclass(frozen=True)
class _Mirrored:
    keypoints: Floats
    valid: Bools
    layout: str
    frame_size: tuple[int, int]


@cache
def _order(layout: Layout, part: str) -> list[int]:
    """For each point of a mirrored stream, its place in the stream that it comes from."""
    source = layout.streams[OPPOSITE.get(part, part)]
    return [source.index(layout.flip[point]) for point in layout.streams[part]]
