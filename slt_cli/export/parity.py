"""The check every bundle must pass: the same tensors and the same text as its model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from slt_cli.data.sample import Batch
from slt_cli.errors import VerificationError
from slt_cli.evaluation.decoding import translate_batch
from slt_cli.export.onnx import DECODER, ENCODER, DecoderGraph, EncoderGraph
from slt_cli.export.preprocess import Preprocess
from slt_cli.export.runtime import BundleTranslator, open_session
from slt_cli.models.translator import SltModel

ENOUGH_TEXTS = 20  # with fewer different texts, equal text says little about equal models


@dataclass(frozen=True)
class Difference:
    """Largest difference of one tensor at one shape, relative to the model's largest output."""

    tensor: str
    shape: str
    relative: float

    def __str__(self) -> str:
        return f"{self.tensor} at {self.shape}: {self.relative:.1e}"


@dataclass(frozen=True)
class TextCheck:
    """How many clips were translated by both, and how many different texts came out."""

    source: str
    clips: int
    compared: int
    distinct: int

    @property
    def informative(self) -> bool:
        """Whether enough different texts were seen to mean something."""
        return self.distinct >= ENOUGH_TEXTS

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "informative": self.informative}


def check_tensors(
    model: SltModel,
    preprocess: Preprocess,
    folder: Path,
    *,
    tolerance: float,
    report: Callable[..., None],
) -> list[Difference]:
    """Compare encoder and decoder with onnxruntime at shapes other than the traced one.

    The inputs are random, with padding, missing points and a stream that is missing as a whole.
    Raises `VerificationError` naming the worst tensor and shape when it is beyond `tolerance`.
    """
    encoder, decoder = open_session(folder / ENCODER), open_session(folder / DECODER)
    rng = np.random.default_rng(0)
    shapes = _shapes(preprocess)
    vocabulary = model.decoder.vocab_size
    found: list[Difference] = []
    for done, (clips, frames, length) in enumerate(shapes, 1):
        batch = random_batch(preprocess, rng, clips=clips, frames=frames)
        tokens = torch.from_numpy(rng.integers(0, vocabulary, (clips, length)))
        with torch.inference_mode():
            outputs = EncoderGraph(model)(batch.streams, batch.valid, batch.frame_valid)
            logits = DecoderGraph(model)(tokens, outputs[0], outputs[1])
        where = f"B={clips} T={frames}"
        names = [output.name for output in encoder.get_outputs()]
        found += _compare(encoder, names, _feed(batch), outputs, where)
        feed = _arrays(tokens=tokens, memory=outputs[0], memory_valid=outputs[1])
        found += _compare(decoder, ["logits"], feed, [logits], f"{where} L={length}")
        report("verify", done=done, total=len(shapes))
    worst = max(found, key=lambda difference: difference.relative)
    if worst.relative > tolerance:
        raise VerificationError(
            f"the exported model differs from the trained one, most in {worst} "
            f"(tolerance {tolerance:g})",
            where=worst.tensor,
            hint="try another --opset; a higher --tolerance only if that difference is harmless",
        )
    return found


def check_text(
    model: SltModel,
    translator: BundleTranslator,
    batches: Iterable[Batch],
    *,
    source: str,
    beams: int,
    length_penalty: float,
    report: Callable[..., None],
) -> TextCheck:
    """Translate the same clips with both, greedily and by beam search, and recognise the glosses.

    Raises `VerificationError` naming the first clip whose text or glosses differ.
    """
    spec, tokenizer = translator.preprocess, translator.tokenizer
    texts: set[str] = set()
    clips = compared = 0
    for batch in batches:
        clips += len(batch.video_ids)
        encoded = translator.encode(*_as_arrays(batch))
        glosses = translator.glosses(encoded)
        for width in sorted({1, beams}):
            expected = translate_batch(
                model, batch, tokenizer, spec.glosses,
                beams=width, length_penalty=length_penalty, max_length=spec.max_length,
            )  # fmt: skip
            found = translator.texts(encoded, beams=width, length_penalty=length_penalty)
            for hypothesis, text, gloss in zip(expected, found, glosses, strict=True):
                _same(hypothesis.video_id, f"text, beams {width}", hypothesis.prediction, text)
                _same(hypothesis.video_id, "glosses", hypothesis.gloss_prediction, gloss)
            texts |= set(found)
            compared += len(found)
        report("verify-text", clips=clips)
    return TextCheck(source, clips, compared, len(texts - {""}))


def random_batch(
    preprocess: Preprocess, rng: np.random.Generator, *, clips: int, frames: int
) -> Batch:
    """Clips of different lengths with missing points; the last clip lacks the first stream."""
    lengths = np.maximum(1, frames - np.arange(clips) * frames // (clips + 1))
    frame_valid = np.arange(frames) < lengths[:, None]
    streams: dict[str, Tensor] = {}
    valid: dict[str, Tensor] = {}
    for number, (name, shape) in enumerate(preprocess.stream_shapes().items()):
        values = rng.standard_normal((clips, frames, *shape)).astype(np.float32)
        seen = rng.random((clips, frames, *preprocess.valid_shapes()[name])) < 0.8
        seen &= frame_valid.reshape(clips, frames, *[1] * (seen.ndim - 2))
        if number == 0 and clips > 1:
            seen[-1] = False
        streams[name], valid[name] = torch.from_numpy(values), torch.from_numpy(seen)
    nothing = torch.zeros(clips, 1, dtype=torch.long)
    return Batch(
        [f"random_{i}" for i in range(clips)], streams, valid, torch.from_numpy(frame_valid),
        labels=nothing, glosses=nothing, gloss_lengths=nothing[:, 0], texts=[""] * clips,
        gloss_texts=[""] * clips,
    )  # fmt: skip


def random_batches(preprocess: Preprocess, *, clips: int, per_batch: int) -> Iterator[Batch]:
    """Random inputs for the text check where no corpus is at hand."""
    rng = np.random.default_rng(1)
    for start in range(0, clips, per_batch):
        frames = int(rng.integers(2, preprocess.sequence_length + 1))
        yield random_batch(preprocess, rng, clips=min(per_batch, clips - start), frames=frames)


def _shapes(preprocess: Preprocess) -> list[tuple[int, int, int]]:
    """(B, T, L) to check: one frame and one token, short and padded, and the longest allowed."""
    longest, tokens = preprocess.sequence_length, preprocess.max_length
    return [(1, 1, 1), (3, min(18, longest), min(9, tokens)), (2, 5, 2), (1, longest, tokens)]


def _compare(
    session: Any, names: Sequence[str], feed: dict[str, Any], expected: Sequence[Tensor], where: str
) -> list[Difference]:
    try:
        outputs = session.run(names, feed)
    except Exception as error:  # onnxruntime raises its own types, which share no public base
        reason = next(iter(str(error).splitlines()), "")
        raise VerificationError(
            f"the exported graph of {names[0]} fails at {where}: {reason}", where=names[0]
        ) from error
    return [
        Difference(name, where, _relative(output, reference.numpy()))
        for name, output, reference in zip(names, outputs, expected, strict=True)
    ]


def _relative(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    if found.dtype == bool:
        return 0.0 if (found == expected).all() else float("inf")
    largest = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    return float(np.abs(found - expected).max()) / largest


def _feed(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    streams, valid, frame_valid = _as_arrays(batch)
    masks = {f"{name}_valid": mask for name, mask in valid.items()}
    return {**streams, **masks, "frame_valid": frame_valid}


def _as_arrays(batch: Batch) -> tuple[dict[str, Any], dict[str, Any], npt.NDArray[np.bool_]]:
    return _arrays(**batch.streams), _arrays(**batch.valid), batch.frame_valid.numpy()


def _arrays(**tensors: Tensor) -> dict[str, npt.NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _same(video_id: str, what: str, expected: str, found: str) -> None:
    if expected != found:
        raise VerificationError(
            f"{video_id}: the bundle's {what} is {found!r}, the model's is {expected!r}",
            where=video_id, hint="try another --opset",
        )  # fmt: skip
