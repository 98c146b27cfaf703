"""Translate with a bundle: onnxruntime, tokenizers and numpy, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError
from slt_cli.export.bundle import read_bundle
from slt_cli.export.search import Floats, Ints, beam_search, greedy_ctc

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of a batch: (B, S, D) memory and its mask (B, S).

    With gloss heads also their scores (B, T', G) and mask (B, T').
    """

    memory: npt.NDArray[np.float32]
    memory_valid: npt.NDArray[np.bool_]
    gloss_scores: npt.NDArray[np.float32] | None = None
    gloss_valid: npt.NDArray[np.bool_] | None = None


class BundleTranslator:
    """Clips to text by the two graphs of a bundle.

    One thread per graph unless told otherwise: more of them only help on cores that are idle.
    Raises as `read_bundle` does.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        bundle = read_bundle(path)
        self.preprocess = bundle.preprocess
        self.tokenizer = TextTokenizer.from_json(bundle.tokenizer_json)
        self.encoder = open_session(path / "encoder.onnx", threads=threads)
        self.decoder = open_session(path / "decoder.onnx", threads=threads)

    def translate(
        self,
        streams: Arrays,
        valid: Arrays,
        frame_valid: npt.NDArray[np.bool_],
        *,
        beams: int = 4,
        length_penalty: float = 1.0,
    ) -> list[str]:
        """One text per clip; arrays as in `encode`, search as in `search.beam_search`."""
        encoded = self.encode(streams, valid, frame_valid)
        return self.texts(encoded, beams=beams, length_penalty=length_penalty)

    def encode(self, streams: Arrays, valid: Arrays, frame_valid: npt.NDArray[np.bool_]) -> Encoded:
        """Run the encoder.

        Args:
            streams: (B, T, *shape) per name of `preprocess.stream_shapes()`, 0 where missing.
            valid: (B, T, *shape) bool per name of `preprocess.valid_shapes()`.
            frame_valid: (B, T) bool, False on padding.

        Raises `InputError` for a missing stream, a wrong shape, and more frames than allowed.
        """
        self._check(streams, valid, frame_valid)
        feed = {name: np.asarray(array, np.float32) for name, array in streams.items()}
        feed |= {f"{name}_valid": np.asarray(array, bool) for name, array in valid.items()}
        return Encoded(*self.encoder.run(None, {**feed, "frame_valid": frame_valid}))

    def texts(self, encoded: Encoded, *, beams: int, length_penalty: float) -> list[str]:
        """Search the best text of every clip."""
        spec = self.preprocess
        return [
            self.tokenizer.decode(
                beam_search(
                    self._next_logits(encoded, clip), bos_id=spec.bos_id, eos_id=spec.eos_id,
                    beams=beams, length_penalty=length_penalty, max_length=spec.max_length,
                )
            )
            for clip in range(len(encoded.memory))
        ]  # fmt: skip

    def glosses(self, encoded: Encoded) -> list[str]:
        """Glosses of every clip by greedy CTC, separated by spaces; empty without a gloss head."""
        if encoded.gloss_scores is None or encoded.gloss_valid is None:
            return [""] * len(encoded.memory)
        names = self.preprocess.glosses
        return [
            " ".join(names[label - 1] for label in greedy_ctc(scores[seen]))
            for scores, seen in zip(encoded.gloss_scores, encoded.gloss_valid, strict=True)
        ]

    def _next_logits(self, encoded: Encoded, clip: int) -> Any:
        memory = encoded.memory[clip : clip + 1]
        memory_valid = encoded.memory_valid[clip : clip + 1]

        def next_logits(tokens: Ints) -> Floats:
            feed = {
                "tokens": tokens,
                "memory": memory.repeat(len(tokens), 0),
                "memory_valid": memory_valid.repeat(len(tokens), 0),
            }
            return np.asarray(self.decoder.run(None, feed)[0])

        return next_logits

    def _check(self, streams: Arrays, valid: Arrays, frame_valid: npt.NDArray[np.bool_]) -> None:
        spec = self.preprocess
        batch = frame_valid.shape
        expected = {name: (*batch, *shape) for name, shape in spec.stream_shapes().items()}
        masks = {f"{name}_valid": (*batch, *shape) for name, shape in spec.valid_shapes().items()}
        found = {name: array.shape for name, array in streams.items()}
        found |= {f"{name}_valid": array.shape for name, array in valid.items()}
        for name, shape in (expected | masks).items():
            given = found.pop(name, None)
            if given != shape:
                raise InputError(f"{name} must have the shape {shape}, not {given}")
        if found:
            raise InputError(f"the bundle has no stream {', '.join(found)}")
        if batch[1] > spec.sequence_length:
            raise InputError(
                f"{batch[1]} frames, but the model takes at most {spec.sequence_length}",
                hint="choose the frames with preprocess.inputs.frames(time_s)",
            )


def open_session(path: Path, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait by spinning take whole cores from whoever else is on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # failures arrive as exceptions
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
