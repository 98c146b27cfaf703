"""The articulated signer: arms by inverse kinematics, hands, face, as 543 landmarks per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.synthetic.face_points import expressive_face
from slt_cli.synthetic.hands import hand_axes, skeleton
from slt_cli.synthetic.phonology import Array
from slt_cli.synthetic.signers import Signer
from slt_cli.synthetic.timeline import HAND, HEAD, Timeline, plan

FPS = 15
JOINTS = 543
POSE, FACE = slice(0, 33), slice(33, 501)
LEFT_HAND, RIGHT_HAND = slice(501, 522), slice(522, 543)
HIDDEN = slice(25, 33)  # knees and below lie outside the picture

# Lengths in shoulder widths.
UPPER_ARM, FOREARM, HAND_LENGTH = 0.80, 0.70, 0.52
HEAD_HALF_WIDTH = 0.245
HIPS = (0.30, 1.27)
_ELBOW_POLE = np.array([-0.75, 1.0, 0.25])
# Pose points 0 to 10 are points of the face mesh (left and right are the signer's); ears apart.
_POSE_FROM_FACE = (
    (1,), (362,), (386, 374), (263,), (133,), (159, 145), (33,), (454,), (234,), (291,), (61,),
)  # fmt: skip


@dataclass(frozen=True)
class SignClip:
    """One signed utterance as a perfect tracker would see it.

    `points (T, 543, 3)` float32 in MediaPipe Holistic's order (pose, face, left hand, right hand):
    x, y in [0, 1] of the square frame and z on the same scale, negative towards the camera, from
    the plane of the shoulders. `valid (543,)` is False for the legs, which are out of the picture
    (points 0). `time_s (T,)`; `spans_s (N, 2)` holds start and end of each gloss.
    """

    glosses: tuple[str, ...]
    signer: str
    points: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    time_s: npt.NDArray[np.float64]
    spans_s: npt.NDArray[np.float64]


def sample_clip(
    glosses: Sequence[str], signer: Signer, rng: np.random.Generator, fps: float = FPS
) -> SignClip:
    """Sign `glosses` and return the true landmarks. Equal arguments and seed, equal clip."""
    timeline = plan(glosses, signer, rng, fps)
    points = _place(timeline, signer, rng)
    valid = np.ones(JOINTS, bool)
    valid[HIDDEN] = False
    points[:, ~valid] = 0
    return SignClip(
        tuple(glosses), signer.name, points.astype(np.float32), valid, timeline.time_s,
        timeline.spans_s,
    )  # fmt: skip


def _place(timeline: Timeline, signer: Signer, rng: np.random.Generator) -> Array:
    """Landmarks `(T, 543, 3)` in frame coordinates."""
    states, count = timeline.states, len(timeline.time_s)
    body = np.zeros((count, JOINTS, 3))
    body[:, FACE] = _head(states, signer)
    for pose_index, face_indices in enumerate(_POSE_FROM_FACE):
        body[:, pose_index] = body[:, [33 + index for index in face_indices]].mean(1)
    dominant, other = states[:, :HAND], states[:, HAND : 2 * HAND]
    right, left = (dominant, other) if signer.right_handed else (other, dominant)
    for state, mirror, first in ((left, -1.0, 11), (right, 1.0, 12)):
        arm, hand = _arm(state, signer)
        flip = np.array([mirror, 1.0, 1.0])
        body[:, first : first + 6 : 2] = arm * flip
        body[:, LEFT_HAND if mirror < 0 else RIGHT_HAND] = hand * flip
        body[:, [first + 6, first + 8, first + 10]] = (hand * flip)[:, [17, 5, 2]]
        body[:, first + 12] = [-mirror * HIPS[0], HIPS[1], 0.0]
    return _to_frame(body, timeline.time_s, signer, rng)


def _head(states: Array, signer: Signer) -> Array:
    """Face points `(T, 468, 3)` around the head's middle, turned about the vertical axis."""
    face = expressive_face(states[:, -3], states[:, -2]) * HEAD_HALF_WIDTH * signer.head
    cos, sin = np.cos(states[:, -1, None]), np.sin(states[:, -1, None])
    x, z = face[..., 0], face[..., 2]
    turned = np.stack([cos * x - sin * z, face[..., 1], sin * x + cos * z], axis=-1)
    return turned + HEAD * [1, signer.head, 1]


def _arm(state: Array, signer: Signer) -> tuple[Array, Array]:
    """Shoulder, elbow, wrist `(T, 3, 3)` and hand `(T, 21, 3)` of a right arm."""
    axes = hand_axes(state[:, 3:6], state[:, 6:9])
    length = HAND_LENGTH * signer.hand
    contact = state[:, HAND - 1 : HAND]
    target = state[:, :3] - contact * length * axes[0]
    shoulder = np.repeat(np.array([[-0.5, 0.0, 0.0]]), len(state), axis=0)
    lengths = (UPPER_ARM * signer.arm, FOREARM * signer.arm)
    elbow, wrist = reach(shoulder, target, lengths, _ELBOW_POLE)
    hand = wrist[:, None] + length * skeleton(state[:, 9:HAND], axes)
    return np.stack([shoulder, elbow, wrist], axis=1), hand


def reach(
    shoulder: Array, target: Array, lengths: tuple[float, float], pole: Array
) -> tuple[Array, Array]:
    """Elbow and wrist `(T, 3)` of a two-bone arm that reaches for `target (T, 3)`.

    The law of cosines gives the elbow's distance along and off the line to the wrist; `pole` says
    to which side it points. A target out of reach is approached as far as the arm goes.
    """
    upper, lower = lengths
    line = target - shoulder
    full = np.linalg.norm(line, axis=1, keepdims=True)
    distance = np.clip(full, abs(upper - lower) + 0.05, 0.985 * (upper + lower))
    line = line / np.maximum(full, 1e-9)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    off = np.sqrt(np.maximum(upper**2 - along**2, 0))
    side = pole - (pole * line).sum(1, keepdims=True) * line
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return shoulder + along * line + off * side, shoulder + distance * line


def _to_frame(body: Array, time_s: Array, signer: Signer, rng: np.random.Generator) -> Array:
    """Scale to the frame, with a slight sway and breathing of the whole person."""
    phases = rng.uniform(0, 2 * np.pi, 2)
    body[..., 0] += 0.015 * np.sin(2 * np.pi * 0.45 * time_s + phases[0])[:, None]
    body[..., 1] += 0.008 * np.sin(2 * np.pi * 0.3 * time_s + phases[1])[:, None]
    body *= signer.scale
    body[..., :2] += np.array(signer.centre) + rng.normal(0, 0.006, 2)
    return body
