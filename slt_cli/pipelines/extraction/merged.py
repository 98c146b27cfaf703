"""The pieces of a clip seen as one: its arrays, its record, and whether it is to be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from slt_cli.corpus.clip_files import ClipKeypoints
from slt_cli.corpus.paths import CROP_STREAMS
from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import Layout, get_layout
from slt_cli.landmarks.rois import CropSource
from slt_cli.landmarks.signing_space import signing_space_v1
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.pieces import ClipSpan
from slt_cli.pipelines.extraction.source import SourceFile
from slt_cli.pipelines.extraction.stage import AnyPiece
from slt_cli.storage.atomic import Blocks
from slt_cli.video.decode import DamageReport, merge_damage

Record = dict[str, Any]
_MOST_FAILED = 0.2
"""Share of frames on which an estimator may fail before the clip counts as failed."""


@dataclass(frozen=True)
class Merged:
    """All pieces of a clip seen as one."""

    source: SourceFile
    clip: ClipSpan
    all_pieces: Sequence[AnyPiece]
    options: ExtractOptions

    @cached_property
    def pieces(self) -> list[AnyPiece]:
        """Those that have frames; of a cut video the last ones have none."""
        return [piece for piece in self.all_pieces if piece.facts["frames"]]

    @cached_property
    def damage(self) -> DamageReport:
        """What was wrong with the video."""
        return merge_damage([piece.facts["damage"] for piece in self.all_pieces])

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return sum(piece.facts["frames"] for piece in self.pieces)

    @property
    def layout(self) -> Layout:
        """The layout of its landmarks."""
        return get_layout(self.pieces[0].facts["layout"])

    def check(self) -> None:
        """Raise `InputError` when these results are not to be kept."""
        path, options = self.source.path, self.options
        if not self.frames:
            span = self.clip.span
            raise InputError(
                "not one frame can be decoded" if span is None else
                f"no frame between {span[0]} s and {span[1]} s",
                where=str(path), hint="download or copy the file again",
            )  # fmt: skip
        if len({tuple(piece.facts["frame_size"]) for piece in self.pieces}) > 1:
            raise InputError("the picture size changes", where=str(path), hint="split the video")
        failed = self._count("failed_frames")
        if failed > _MOST_FAILED * self.frames:
            raise InputError(
                f"the estimator failed on {failed} of {self.frames} frames",
                where=str(path), hint="slt doctor",
            )  # fmt: skip
        covered = self._coverage()["pose"]
        if covered < options.min_coverage:
            raise InputError(
                f"a body is seen in {covered:.0%} of the frames, not {options.min_coverage:.0%}",
                where=str(path), hint="look at it with --overlay, or lower --min-coverage",
            )  # fmt: skip
        if self.damage.is_damaged and options.on_damage == "fail":
            raise InputError(
                f"the video is damaged: {self.damage.describe()}", where=str(path),
                hint="get a whole copy, or keep what can be read with --on-damage warn",
            )  # fmt: skip
        self.source.check_unchanged()

    def joined(self, name: str) -> npt.NDArray[Any]:
        """One array over all pieces; for the small ones."""
        return np.concatenate([piece.array(name) for piece in self.pieces])

    def header(self) -> ClipKeypoints:
        """The clip with its small arrays in place and the large ones empty."""
        facts, points = self.pieces[0].facts, len(self.layout)
        absent = [i for i, name in enumerate(CROP_STREAMS) if name not in self.options.streams]
        boxes, sources = self.joined("boxes").transpose(1, 0, 2), self.joined("sources").T
        boxes[absent], sources[absent] = 0, CropSource.MISSING
        source = {
            "name": self.source.name, "sha256": self.source.sha256,
            "settings": self.options.fingerprint(), "span": self.clip.span,
        }  # fmt: skip
        return ClipKeypoints(
            keypoints=np.zeros((0, points, 3), np.float32),
            z=np.zeros((0, points), np.float32),
            valid=np.zeros((0, points), np.bool_),
            time_s=self.joined("time_s"),
            crop_box=boxes,
            crop_source=sources,
            layout=self.layout.name,
            frame_size=(facts["frame_size"][0], facts["frame_size"][1]),
            fps=Fraction(*facts["fps"]) if facts["fps"] else None,
            source={key: value for key, value in source.items() if value is not None},
            estimator=facts["estimator"],
        )

    def blocks(self) -> Mapping[str, Blocks]:
        """The large arrays, piece by piece."""
        shape = (self.frames, len(self.layout))

        def each(make: Callable[[AnyPiece], npt.NDArray[Any]]) -> Callable[[], Iterable[Any]]:
            return lambda: (make(piece) for piece in self.pieces)

        return {
            "keypoints": Blocks((*shape, 3), "<f4", each(lambda piece: piece.array("keypoints"))),
            "z": Blocks(shape, "<f4", each(lambda piece: piece.array("z"))),
            "valid": Blocks(shape, "|b1", each(lambda piece: piece.array("valid"))),
        }

    def keypoints(self) -> ClipKeypoints:
        """The whole clip in memory."""
        large = {k: np.concatenate(list(block.parts())) for k, block in self.blocks().items()}
        return replace(self.header(), **large)

    def pose(self) -> npt.NDArray[np.float32]:
        """The signing-space pose (T, 3 * L), from the body's points alone."""
        count = max(self.layout.component("POSE")) + 1
        # Copies, so that of a long clip one piece at a time is in memory.
        points = np.concatenate(
            [piece.array("keypoints")[:, :count].copy() for piece in self.pieces]
        )
        valid = np.concatenate([piece.array("valid")[:, :count].copy() for piece in self.pieces])
        return signing_space_v1(points, valid, self.layout, self.options.pose_points)

    def record(self) -> Record:
        """What the manifest says about the clip, as plain values."""
        header, damage, streams = self.header(), self.damage, self.options.streams
        told = damage.is_damaged and self.options.on_damage != "ignore"
        fps = header.fps
        return {
            "video_id": self.clip.video_id,
            "status": "damaged" if told else "ok",
            "source": header.source,
            "estimator": header.estimator,
            "fps": f"{fps.numerator}/{fps.denominator}" if fps else None,
            "frame_size": list(header.frame_size),
            "frames": {
                stream: self.frames
                for stream in (*CROP_STREAMS, "pose", "keypoints")
                if stream in streams or stream == "keypoints"
            },
            "fallbacks": _fallbacks(header.crop_source),
            "coverage": self._coverage(),
            "hands": {a: self._count(f"hands_{a}") for a in ("swapped", "moved", "dropped")},
            "failed_frames": self._count("failed_frames"),
            "unusable_points": self._count("unusable_points"),
            "people": self._people(),
            "damage": {**damage.as_dict(), "summary": damage.describe()},
        }

    def _count(self, name: str) -> int:
        return sum(piece.facts["counts"].get(name, 0) for piece in self.pieces)

    def _coverage(self) -> dict[str, float]:
        """Share of frames in which pose, face and each hand were found."""
        seen: Counter[str] = Counter()
        for piece in self.pieces:
            seen.update(piece.facts["seen"])
        names = ("pose", "face", "left_hand", "right_hand")
        return {name: round(seen[name] / self.frames, 4) for name in names}

    def _people(self) -> dict[str, int] | None:
        """How many people were in the picture at most, and most of the time."""
        counts = [(p.facts["people"], p.facts["frames"]) for p in self.pieces if p.facts["people"]]
        if not counts:
            return None
        usual: Counter[int] = Counter()
        for people, frames in counts:
            usual[people["usual"]] += frames
        return {"most": max(p["most"] for p, _ in counts), "usual": usual.most_common(1)[0][0]}


def _fallbacks(sources: npt.NDArray[np.uint8]) -> dict[str, dict[str, int]]:
    kinds = (CropSource.POSE, CropSource.PREVIOUS, CropSource.MISSING)
    return {
        stream: {kind.name.lower(): int((row == kind).sum()) for kind in kinds}
        for stream, row in zip(CROP_STREAMS, sources, strict=True)
    }
