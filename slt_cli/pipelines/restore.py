"""A trained run brought back to life from its checkpoint alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from slt_cli.builders import build_dataset, build_model, model_inputs, resolve_device
from slt_cli.data.annotations import read_split
from slt_cli.data.dataset import ClipDataset
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.data.usable import usable_records
from slt_cli.models.translator import SltModel
from slt_cli.pipelines.corpora import corpus_paths
from slt_cli.pipelines.run_settings import settings_of, shape_of
from slt_cli.settings.data import DataSettings
from slt_cli.settings.root import Settings
from slt_cli.training.run_folder import read_run


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

    def dataset(self, split: str, data: DataSettings | None = None) -> ClipDataset:
        """The split of the run's own corpus, or of the one that `data` names."""
        corpus = corpus_paths(data or self.settings.data)
        inputs = model_inputs(self.settings)
        records, _ = usable_records(
            corpus, read_split(corpus, split, self.settings.data.target_text), inputs, "fail"
        )
        return build_dataset(
            self.settings, corpus, records, self.tokenizer, self.glosses, augment=False
        )


def restore_run(run: Path | None, device: str = "auto") -> RestoredRun:
    """Load the checkpoint meant by RUN and rebuild its model. Raises as `read_run` does."""
    path, payload = read_run(run)
    settings = settings_of(payload, path)
    tokenizer = TextTokenizer.from_json(payload["tokenizer"])
    shape = shape_of(payload, path)
    model = build_model(settings, shape, tokenizer, decoder_config=payload["decoder"])
    model.load_state_dict(payload["model"])
    target = resolve_device(device)
    return RestoredRun(
        path, payload, settings, model.to(target).eval(),
        tokenizer, list(payload["glosses"]), target,
    )  # fmt: skip
