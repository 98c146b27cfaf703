"""The `.pose` container of sign-language-processing/pose, versions 0.0 to 0.2: bytes and back.

Little-endian throughout. The header names components (groups of points) with their limbs and
colours; the body holds coordinates of frames x people x points, then confidences. Version 0.0
stores frame by frame instead, each with its own number of people. Versions before 0.2 count frames
in 16 bits, so that the count of a longer recording has to be told from the size of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slt_cli.errors import InputError

VERSIONS = (0.0, 0.1, 0.2)
_COUNT_LIMIT = 2**16
_MOST_ZEROS = 2**28
_AGAIN = "download or copy the file again"


@dataclass(frozen=True)
class PoseComponent:
    """A named group of points; `point_format` names their numbers, such as XYZC."""

    name: str
    point_format: str
    points: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class PoseFile:
    """A `.pose` file: `data` (T, P, V, D) and `confidence` (T, P, V) of P people, float32.

    `size` is width, height and depth of the space of the coordinates. `frames_recovered` tells that
    the header's frame count had overflowed.
    """

    version: float
    size: tuple[int, int, int]
    components: tuple[PoseComponent, ...]
    fps: float
    data: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    frames_recovered: bool = False


def parse_pose(data: bytes, where: str) -> PoseFile:
    """Read the bytes of a `.pose` file. `where` names it in errors.

    Raises `InputError` for what is no such file, an unknown version, and a body that is shorter or
    longer than its header promises, with both sizes.
    """
    reader = _Reader(data, where)
    version = round(float(reader.numbers("<f")[0]), 3)
    if version not in VERSIONS:
        raise InputError(
            f"not a .pose file that can be read: version {version:g}, not 0.0, 0.1 or 0.2",
            where=where, hint="upgrade slt if a newer program wrote the file",
        )  # fmt: skip
    width, height, depth, count = reader.numbers("<HHHH")
    components = tuple(_component(reader) for _ in range(count))
    if not components or any(len(c.point_format) < 2 for c in components):
        raise reader.damaged("no components, or components without coordinates")
    fps, values, confidence, recovered = _body(reader, version, components)
    return PoseFile(
        version, (width, height, depth), components, fps, values, confidence, recovered
    )  # fmt: skip


def pose_bytes(pose: PoseFile) -> bytes:
    """A `.pose` file of version 0.2, whatever `pose.version` says."""
    frames, people = pose.data.shape[:2]
    header = [struct.pack("<fHHHH", 0.2, *pose.size, len(pose.components))]
    for part in pose.components:
        counts = (len(part.points), len(part.limbs), len(part.colours))
        header += [_text(part.name), _text(part.point_format), struct.pack("<HHH", *counts)]
        header += [_text(point) for point in part.points]
        header += [struct.pack("<HH", *limb) for limb in part.limbs]
        header += [struct.pack("<HHH", *colour) for colour in part.colours]
    body = struct.pack("<fIH", pose.fps, frames, people)
    numbers = (pose.data.astype("<f4").tobytes(), pose.confidence.astype("<f4").tobytes())
    return b"".join((*header, body, *numbers))


class _Reader:
    """Takes numbers and texts off the front of the bytes."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = memoryview(data)  # slices of it take no memory
        self.where = where
        self.at = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Numbers of a `struct` format."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def text(self) -> str:
        """A text with its length before it."""
        (length,) = self.numbers("<H")
        return bytes(self.take(length)).decode("utf-8", "replace")

    def floats(self, *shape: int) -> npt.NDArray[np.float32]:
        """An array of 32-bit numbers, checked to be there before any memory is taken."""
        count = int(np.prod(shape, dtype=object))
        array = np.frombuffer(self.take(4 * count), "<f4").reshape(shape)
        return array.astype(np.float32, copy=False)

    def zeros(self, *shape: int) -> npt.NDArray[np.float32]:
        """An array for what the file leaves out; not as large as a wrong number could make it."""
        if np.prod(shape, dtype=object) > _MOST_ZEROS:
            raise self.damaged(f"{shape[0]} frames with hardly anything in them")
        return np.zeros(shape, np.float32)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        if count > self.left:
            raise self.damaged(f"{count} bytes expected at byte {self.at}, {self.left} found")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def damaged(self, reason: str) -> InputError:
        """The error for a file that ends too early or contradicts itself."""
        return InputError(
            f"not a whole .pose file: {reason}", where=self.where, hint=_AGAIN
        )  # fmt: skip


def _component(reader: _Reader) -> PoseComponent:
    name, point_format = reader.text(), reader.text()
    points, limbs, colours = reader.numbers("<HHH")
    names = tuple(reader.text() for _ in range(points))
    pairs = reader.numbers(f"<{2 * limbs}H")
    rgb = reader.numbers(f"<{3 * colours}H")
    return PoseComponent(
        name, point_format, names,
        tuple((pairs[2 * i], pairs[2 * i + 1]) for i in range(limbs)),
        tuple((rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) for i in range(colours)),
    )  # fmt: skip


_Body = tuple[float, npt.NDArray[np.float32], npt.NDArray[np.float32], bool]


def _body(reader: _Reader, version: float, components: Sequence[PoseComponent]) -> _Body:
    """Frame rate, coordinates (T, P, V, D), confidence (T, P, V), whether the count overflowed."""
    if version == 0.0:
        return _body_frame_by_frame(reader, components)
    points = sum(len(c.points) for c in components)
    dims = max(len(c.point_format) for c in components) - 1
    fps, frames, people = reader.numbers("<fIH" if version == 0.2 else "<HHH")
    per_frame = 4 * people * points * (dims + 1)
    promised = frames
    if version == 0.1 and per_frame and not reader.left % per_frame:
        found = reader.left // per_frame
        frames = found if found % _COUNT_LIMIT == promised else promised
    if reader.left != frames * per_frame:
        raise reader.damaged(
            f"{promised} frames of {people} x {points} points need {promised * per_frame} bytes, "
            f"{reader.left} found"
        )
    if not people:  # nobody in any frame
        nobody = reader.zeros(frames, 1, points, dims)
        return float(fps), nobody, nobody[..., 0], False
    values = reader.floats(frames, people, points, dims)
    return float(fps), values, reader.floats(frames, people, points), frames != promised


def _body_frame_by_frame(reader: _Reader, components: Sequence[PoseComponent]) -> _Body:
    """Version 0.0: each frame lists its people, each person the numbers of point after point."""
    points = sum(len(c.points) for c in components)
    dims = max(len(c.point_format) for c in components) - 1
    fps, count = reader.numbers("<HH")
    frames: list[list[npt.NDArray[np.float32]]] = []
    while len(frames) < count or reader.left:
        try:
            (people,) = reader.numbers("<H")
            frames.append([_person(reader, components, points, dims) for _ in range(people)])
        except InputError as error:
            raise reader.damaged(
                f"{count} frames promised, frame {len(frames)} is incomplete"
            ) from error
    if len(frames) % _COUNT_LIMIT != count:
        raise reader.damaged(f"{count} frames promised, {len(frames)} found")
    most = max(1, *map(len, frames)) if frames else 1
    both = reader.zeros(len(frames), most, points, dims + 1)
    for row, people_found in zip(both, frames, strict=True):
        row[: len(people_found)] = people_found or 0
    return float(fps), both[..., :dims], both[..., dims], len(frames) != count


def _person(
    reader: _Reader, components: Sequence[PoseComponent], points: int, dims: int
) -> npt.NDArray[np.float32]:
    """One person (V, D + 1), the confidence last; the person's number comes first and is passed."""
    reader.take(2)
    person = np.zeros((points, dims + 1), np.float32)
    start = 0
    for component in components:
        rows = reader.floats(len(component.points), len(component.point_format))
        end = start + len(rows)
        person[start:end, : rows.shape[1] - 1] = rows[:, :-1]
        person[start:end, dims] = rows[:, -1]
        start = end
    return person


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<H", len(data)) + data
