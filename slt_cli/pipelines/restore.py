"""A trained run brought back to life from its checkpoint alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from slt_cli.builders import build_dataset, build_model, model_inputs, resolve_device
from slt_cli.data.annotations import read_split
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.data.usable import usable_records
from slt_cli.errors import InputError, UsageError
from slt_cli.models.translator import SltModel
from slt_cli.pipelines.corpora import corpus_paths
from slt_cli.pipelines.run_settings import settings_of, shape_of
from slt_cli.settings.data import DataSettings
from slt_cli.settings.root import Settings
from slt_cli.training.run_folder import read_run

TASKS = ("sign2text", "sign2gloss", "gloss2text")
# Why a run of a task is no use to a command, and what to do with it instead.
_REFUSED = {
    "sign2gloss": (
        "the run recognises glosses alone: its text decoder is not trained",
        "slt translate VIDEO --model {run} prints glosses; slt train --task sign2text trains text",
    ),
    "gloss2text": (
        "the run reads glosses, not signing",
        "slt train --init-checkpoint {run} trains on signing from its text decoder; "
        "slt eval {run} scores it",
    ),
}


@dataclass
class RestoredRun:
    """Model, tokenizer and glosses of a checkpoint, in evaluation mode."""

    path: Path
    payload: dict[str, Any]
    settings: Settings
    model: SltModel
    tokenizer: TextTokenizer
    glosses: list[str]
    device: torch.device

    @property
    def max_length(self) -> int:
        """Longest text in tokens."""
        return self.settings.data.max_target_length

    @property
    def task(self) -> str:
        """What the run was trained for."""
        return self.settings.training.task

    @property
    def recognises_glosses(self) -> bool:
        """Whether the model says which glosses it sees."""
        return bool(self.glosses) and self.task != "gloss2text"

    def dataset(
        self, split: str, data: DataSettings | None = None, *, augment: bool = False
    ) -> ClipDataset:
        """The split of the run's own corpus, or of the one that `data` names.

        A task with glosses for input or as its only output takes the clips that have some. Raises
        as `read_split` and `usable_records` do, and `InputError` when no clip is left.
        """
        corpus = corpus_paths(data or self.settings.data)
        inputs = model_inputs(self.settings)
        records, _ = usable_records(
            corpus, read_split(corpus, split, self.settings.data.target_text), inputs, "fail"
        )
        if self.task != "sign2text":
            records = [record for record in records if record.glosses]
            if not records:
                raise InputError(
                    f"no clip of the {split} split has glosses, and {self.task} needs them",
                    where=str(corpus.gloss_csv), hint=f"slt validate {corpus.root}",
                )  # fmt: skip
        return build_dataset(
            self.settings, corpus, records, self.tokenizer, self.glosses, augment=augment
        )


def restore_run(
    run: Path | None, device: str = "auto", *, tasks: Collection[str] = TASKS
) -> RestoredRun:
    """Load the checkpoint meant by RUN and rebuild its model. Raises as `checked_run` does."""
    path, payload, settings = checked_run(run, tasks)
    tokenizer = TextTokenizer.from_json(payload["tokenizer"])
    shape = shape_of(payload, path)
    model = build_model(settings, shape, tokenizer, decoder_config=payload["decoder"])
    model.load_state_dict(payload["model"])
    target = resolve_device(device)
    return RestoredRun(
        path, payload, settings, model.to(target).eval(),
        tokenizer, list(payload["glosses"]), target,
    )  # fmt: skip


def checked_run(
    run: Path | None, tasks: Collection[str] = TASKS
) -> tuple[Path, dict[str, Any], Settings]:
    """The checkpoint meant by RUN and its settings.

    Raises as `read_run` and `settings_of` do, and `UsageError` for a run of none of `tasks`.
    """
    path, payload = read_run(run)
    settings = settings_of(payload, path)
    task = settings.training.task
    if task not in tasks:
        message, hint = _REFUSED[task]
        raise UsageError(message, where=str(path), hint=hint.format(run=path))
    return path, payload, settings
