"""MediaPipe Holistic through the classic solutions interface, whose models come in the wheel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.errors import MissingAsset
from slt_cli.landmarks.estimators.base import FrameLandmarks, usable_landmarks

INSTALL = "pip install 'mediapipe>=0.10.14,<0.10.30'"
"""The builds that carry Holistic and its models."""

_PARTS = {"pose": 33, "face": 468, "left_hand": 21, "right_hand": 21}
# How x, y, z, visibility and presence begin in a serialised landmark: field number, 32 bits.
_TAGS = np.array([field << 3 | 5 for field in range(1, 6)], np.uint8)


class MediaPipeHolistic:
    """Pose, face mesh and hands of one signer.

    The confidence of a pose point is its visibility; face and hands have none of their own and get
    1 where they were found. Hands keep the label that MediaPipe gave them. Raises `MissingAsset`
    when mediapipe is not installed or no longer carries Holistic.
    """

    name = "mediapipe"
    layout = "mediapipe_holistic_543"
    sees_pixels = True

    def __init__(self) -> None:
        mediapipe = load_mediapipe()
        if not hasattr(mediapipe, "solutions"):
            raise MissingAsset(
                f"mediapipe {mediapipe.__version__} no longer carries Holistic and its models",
                hint=f"{INSTALL}; or read landmarks made elsewhere: --estimator precomputed",
            )
        self.version: str = mediapipe.__version__
        self.settings: dict[str, Any] = {
            "model_complexity": 1,
            "static_image_mode": False,
            "smooth_landmarks": True,
            "refine_face_landmarks": False,
            "min_detection_confidence": 0.5,
            "min_tracking_confidence": 0.5,
        }
        self._graph: Any = mediapipe.solutions.holistic.Holistic(**self.settings)

    def process(self, rgb: npt.NDArray[np.uint8], time_s: float) -> FrameLandmarks:
        """Landmarks of the next frame. Tracking carries over from the frame before."""
        found = self._graph.process(rgb)
        parts = {part: getattr(found, f"{part}_landmarks") for part in _PARTS}
        return gather_parts(parts, _PARTS)

    def close(self) -> None:
        """Stop the graph and free its models."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None


def gather_parts(parts: Mapping[str, Any], counts: Mapping[str, int]) -> FrameLandmarks:
    """MediaPipe's landmark lists one after the other; a part is None where it was not found."""
    total = sum(counts.values())
    points = np.zeros((total, 3), np.float32)
    confidence = np.zeros(total, np.float32)
    valid = np.zeros(total, np.bool_)
    start = 0
    for part, count in counts.items():
        here = slice(start, start + count)
        start += count
        if parts[part] is None:
            continue
        numbers = landmark_numbers(parts[part], count)
        points[here] = numbers[:, :3]
        confidence[here] = numbers[:, 3] if part == "pose" else 1.0
        valid[here] = True
    return usable_landmarks(points, confidence, valid)


def landmark_numbers(message: Any, count: int) -> npt.NDArray[np.float32]:
    """x, y, z and visibility (count, 4) of a landmark list; visibility is 0 where it has none.

    Reads the serialised message, in which each landmark is tagged floats in the same order: asking
    the 543 objects one by one takes as long as cutting and encoding all crops of a frame.
    """
    data = np.frombuffer(message.SerializeToString(), np.uint8)
    fields = (len(data) // count - 2) // 5
    if fields >= 3 and len(data) == count * (2 + 5 * fields):
        each = data.reshape(count, 2 + 5 * fields)[:, 2:].reshape(count, fields, 5)
        if (each[..., 0] == _TAGS[:fields]).all():
            numbers = np.zeros((count, 4), np.float32)
            found = np.ascontiguousarray(each[:, :4, 1:]).view("<f4")[..., 0]
            numbers[:, : found.shape[1]] = found
            return numbers
    return np.array([(p.x, p.y, p.z, p.visibility) for p in message.landmark], np.float32)


@contextmanager
def _without_plotting() -> Iterator[None]:
    """Let mediapipe import nothing where it asks for matplotlib, which only its demos draw with.

    That is half of its start-up, in every worker process.
    """
    names = ("matplotlib", "matplotlib.pyplot")
    absent = [name for name in names if name not in sys.modules]
    sys.modules |= {name: ModuleType(name) for name in absent}
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def load_mediapipe() -> Any:
    """The package. Raises `MissingAsset` when it cannot be imported."""
    try:
        with _without_plotting():
            import mediapipe
    except ImportError as error:
        libraries = "apt-get install libgl1 libglib2.0-0"
        needed = libraries if ".so" in str(error) else f"{INSTALL} (and {libraries})"
        raise MissingAsset(
            f"mediapipe cannot be imported ({error})",
            hint=f"{needed}; slt doctor shows what works",
        ) from error
    _give_plain_results()
    return mediapipe


def _give_plain_results() -> None:
    """Let results be plain objects with the same attributes.

    The classic interface makes a new class for every frame, to hold its results: half as much work
    as cutting and encoding the crops.
    """
    base: Any = sys.modules.get("mediapipe.python.solution_base")
    if hasattr(base, "collections"):
        base.collections = SimpleNamespace(namedtuple=lambda name, fields: SimpleNamespace())
