"""From batches to hypotheses: text by greedy or beam search, glosses by greedy CTC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from slt_cli.data.sample import Batch
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.models.mska.encoder import MSKAOutput
from slt_cli.models.translator import SltModel, gloss_scores


@dataclass(frozen=True)
class Hypothesis:
    """What the model says about one clip, beside what it should say."""

    video_id: str
    prediction: str
    reference: str
    gloss_prediction: str = ""
    gloss_reference: str = ""

    def as_row(self) -> dict[str, str]:
        """The row of `predictions.csv`."""
        return asdict(self)


def greedy_ctc(path: Sequence[int], blank: int = 0) -> list[int]:
    """Collapse the best class per frame: merge equal neighbours, then drop blanks."""
    merged = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
    return [label for label in merged if label != blank]


@torch.no_grad()
def translate_batches(
    model: SltModel,
    batches: Iterable[Batch],
    tokenizer: TextTokenizer,
    glosses: Sequence[str],
    *,
    device: torch.device,
    beams: int,
    length_penalty: float,
    max_length: int,
    report: Callable[..., None],
    total: int | None = None,
    should_stop: Callable[[], int | None] = lambda: None,
) -> list[Hypothesis]:
    """Translate every clip, in the order of the batches; stops early when asked to.

    `glosses` names the classes of the gloss head: class `i + 1` is `glosses[i]`.
    """
    model.eval()
    hypotheses: list[Hypothesis] = []
    for batch in batches:
        if should_stop():
            break
        hypotheses += translate_batch(
            model, batch.to(device), tokenizer, glosses,
            beams=beams, length_penalty=length_penalty, max_length=max_length,
        )  # fmt: skip
        report("translate", done=len(hypotheses), total=total)
    return hypotheses


@torch.no_grad()
def translate_batch(
    model: SltModel, batch: Batch, tokenizer: TextTokenizer, glosses: Sequence[str], **search: Any
) -> list[Hypothesis]:
    """Translate one batch; `search` as in `TextSeq2SeqDecoder.generate`."""
    encoding = model.encode(batch.streams, batch.valid, batch.frame_valid, batch.glosses)
    tokens = model.decoder.generate(encoding.features, encoding.valid, **search).tolist()
    recognised = [""] * len(tokens)
    if encoding.glosses is not None:
        recognised = _best_paths(encoding.glosses, glosses)
    return [
        Hypothesis(video_id, tokenizer.decode(ids[1:]), text, recognition, reference)
        for video_id, ids, text, recognition, reference in zip(
            batch.video_ids, tokens, batch.texts, recognised, batch.gloss_texts, strict=True
        )
    ]  # fmt: skip


@torch.no_grad()
def recognise_batches(
    model: SltModel,
    batches: Iterable[Batch],
    glosses: Sequence[str],
    *,
    device: torch.device,
    report: Callable[..., None],
    total: int | None = None,
) -> list[Hypothesis]:
    """Glosses of every clip, without running the text decoder; the model has gloss heads."""
    model.eval()
    hypotheses: list[Hypothesis] = []
    for batch in batches:
        hypotheses += recognise_batch(model, batch.to(device), glosses)
        report("recognise", done=len(hypotheses), total=total)
    return hypotheses


@torch.no_grad()
def recognise_batch(model: SltModel, batch: Batch, glosses: Sequence[str]) -> list[Hypothesis]:
    """Glosses of one batch; texts stay empty."""
    seen = model.encode(batch.streams, batch.valid, batch.frame_valid).glosses
    assert seen is not None  # a model for glosses has gloss heads
    return [
        Hypothesis(video_id, "", "", recognition, reference)
        for video_id, recognition, reference in zip(
            batch.video_ids, _best_paths(seen, glosses), batch.gloss_texts, strict=True
        )
    ]


def _best_paths(seen: MSKAOutput, glosses: Sequence[str]) -> list[str]:
    """Glosses of each clip by greedy CTC."""
    best = gloss_scores(seen).argmax(-1).tolist()
    lengths = seen.valid.sum(1).tolist()
    return [
        gloss_text(greedy_ctc(path[:n]), glosses) for path, n in zip(best, lengths, strict=True)
    ]


def gloss_text(ids: Sequence[int], glosses: Sequence[str]) -> str:
    """Gloss ids from 1 to a space-separated string."""
    return " ".join(glosses[i - 1] for i in ids)
