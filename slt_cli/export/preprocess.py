"""What a bundle must be told about its inputs and outputs: `preprocess.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from slt_cli.corpus.clip_files import POSE_NORM
from slt_cli.data.inputs import ModelInputs
from slt_cli.errors import InputError

SCHEMA = 3
CROP_STREAMS = ("face", "hand_left", "hand_right")


@dataclass(frozen=True)
class Preprocess:
    """How clips become the tensors of the encoder, and token and class ids become words.

    `streams` are `keypoints`, `pose`, `face`, `hand_left`, `hand_right`; `num_points` counts the
    points of each keypoint part, `image_size` is in pixels, `sequence_length` in frames,
    `max_length` in tokens, `interpolate_gap` the longest run of frames in which missing points are
    filled. `normalisation`, `center` and `pose_normalisation` place keypoints and pose.
    Class `i + 1` of the gloss head is `glosses[i]`.
    """

    layout: str
    normalisation: str
    streams: tuple[str, ...]
    num_points: dict[str, int]
    sequence_length: int
    image_size: int
    pose_landmarks: int
    glosses: tuple[str, ...]
    bos_id: int
    eos_id: int
    pad_id: int
    max_length: int
    landmarks: dict[str, Any]
    interpolate_gap: int = 0
    pose_normalisation: str = POSE_NORM
    center: bool = True

    @property
    def inputs(self) -> ModelInputs:
        """What the model reads of a clip."""
        return ModelInputs(
            streams=self.streams, sequence_length=self.sequence_length, image_size=self.image_size,
            keypoints=self.normalisation, interpolate_gap=self.interpolate_gap,
            pose=self.pose_normalisation, pose_landmarks=self.pose_landmarks, center=self.center,
        )  # fmt: skip

    def stream_shapes(self) -> dict[str, tuple[int, ...]]:
        """Encoder input -> its shape for one frame: (V, C) for points, (3, H, W) for crops."""
        shapes: dict[str, tuple[int, ...]] = {}
        if "keypoints" in self.streams:
            shapes |= {f"keypoints_{part}": (n, 3) for part, n in self.num_points.items()}
        if "pose" in self.streams:
            shapes["pose"] = self.inputs.pose_shape
        for part in CROP_STREAMS:
            if part in self.streams:
                shapes[f"crops_{part}"] = (3, self.image_size, self.image_size)
        return shapes

    def valid_shapes(self) -> dict[str, tuple[int, ...]]:
        """Encoder input -> the shape of its mask for one frame: (V,) for points, () for crops."""
        return {
            name: () if name.startswith("crops_") else shape[:1]
            for name, shape in self.stream_shapes().items()
        }

    def to_json(self) -> str:
        """The text of `preprocess.json`."""
        fields = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Preprocess:
        """Read `preprocess.json`. Raises `InputError` when it is of another kind or schema."""
        try:
            fields = json.loads(text)
            schema = fields.pop("schema")
            if schema != SCHEMA:
                raise InputError(
                    f"preprocess schema {schema}, not {SCHEMA}", where=where,
                    hint="export the run again with this version of slt",
                )  # fmt: skip
            fields["streams"] = tuple(fields["streams"])
            fields["glosses"] = tuple(fields["glosses"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"not a preprocess.json of a bundle: {error}", where=where) from error
