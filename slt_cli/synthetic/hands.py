"""Hand skeletons: 21 joints in MediaPipe's order from finger angles and wrist orientation."""

from __future__ import annotations

import numpy as np

from slt_cli.synthetic.phonology import Array

# Along the fingers and towards the thumb, in hand lengths (wrist to tip of the middle finger).
_KNUCKLES = ((0.50, 0.13), (0.52, 0.03), (0.49, -0.07), (0.44, -0.16))
_BONES = ((0.22, 0.13, 0.10), (0.24, 0.15, 0.10), (0.22, 0.14, 0.10), (0.17, 0.10, 0.09))
_FAN = (0.24, 0.02, -0.20, -0.44)
_THUMB_ROOT = (0.13, 0.10)
_THUMB_BONES = (0.21, 0.17, 0.13)
_FLEXION = (1.5, 1.85, 1.1)  # full flexion of knuckle, middle and last joint, radians


def hand_axes(fingers: Array, palm: Array) -> tuple[Array, Array, Array]:
    """Unit axes `(T, 3)` of a right hand: along the fingers, towards the thumb, out of the palm."""
    along = _unit(fingers)
    out = _unit(palm - (palm * along).sum(1, keepdims=True) * along)
    return along, np.cross(along, out), out


def skeleton(shape: Array, axes: tuple[Array, Array, Array]) -> Array:
    """Joints `(T, 21, 3)` relative to the wrist, hand length 1, for `shape (T, 13)`."""
    along, thumbward, out = axes
    joints = np.zeros((len(shape), 21, 3))
    joints[:, 1:5] = _thumb(shape, axes)
    for finger in range(4):
        forward, sideways = _KNUCKLES[finger]
        point = forward * along + sideways * thumbward
        fan = (0.25 + shape[:, 8]) * _FAN[finger] * (1 - shape[:, finger])
        ahead = np.cos(fan)[:, None] * along + np.sin(fan)[:, None] * thumbward
        joints[:, 5 + 4 * finger] = point
        curl = shape[:, 4 + finger]
        angle = np.zeros(len(shape))
        bends = (shape[:, finger], curl, curl)
        for bone in range(3):
            angle = angle + bends[bone] * _FLEXION[bone]
            step = np.cos(angle)[:, None] * ahead + np.sin(angle)[:, None] * out
            point = point + _BONES[finger][bone] * step
            joints[:, 6 + 4 * finger + bone] = point
    return joints


def _thumb(shape: Array, axes: tuple[Array, Array, Array]) -> Array:
    along, thumbward, out = axes
    away = (0.25 + 0.85 * shape[:, 9])[:, None]
    over = (0.05 + 1.0 * shape[:, 10])[:, None]
    sideways = np.cos(over) * thumbward + np.sin(over) * out
    bone = np.cos(away) * along + np.sin(away) * sideways
    inward = -np.cos(over) * thumbward * 1.0 + 0.25 * out + 0.1 * along
    inward = _unit(inward - (inward * bone).sum(1, keepdims=True) * bone)
    point = _THUMB_ROOT[0] * along + _THUMB_ROOT[1] * thumbward
    joints = [point]
    for index, length in enumerate(_THUMB_BONES):
        bend = (shape[:, 11] * 0.75 * index)[:, None]
        point = point + length * (np.cos(bend) * bone + np.sin(bend) * inward)
        joints.append(point)
    return np.stack(joints, axis=1)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def turn(palm: Array, fingers: Array, angle: Array) -> Array:
    """Rotate palm directions about the finger direction by `angle (T,)` (Rodrigues' formula)."""
    axis = _unit(fingers)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return (
        cos * palm
        + sin * np.cross(axis, palm)
        + (1 - cos) * (axis * palm).sum(1, keepdims=True) * axis
    )
