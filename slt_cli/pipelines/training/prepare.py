"""Everything that a run is made of, built once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from slt_cli import __version__
from slt_cli.pipelines.result import Report
from slt_cli.pipelines.run_settings import stored_settings
from slt_cli.pipelines.training.clips import Clips, infeasible, refuse_changed_clips
from slt_cli.pipelines.training.recipe import loop_config
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.hashes import sha256_json

if TYPE_CHECKING:
    import torch

    from slt_cli.builders import ModelShape
    from slt_cli.data.dataset import ClipDataset
    from slt_cli.data.tokenizer import TextTokenizer
    from slt_cli.models.translator import SltModel

_SHOWN = 5  # clips named in a message


@dataclass
class Run:
    """The parts of a run.

    `starts` are lines about the weights it starts from, `short` the clips without CTC loss.
    """

    settings: Settings
    clips: Clips
    tokenizer: TextTokenizer
    glosses: list[str]
    train: ClipDataset
    val: ClipDataset
    shape: ModelShape
    model: SltModel
    device: torch.device
    landmarks: dict[str, Any]
    starts: list[str]
    short: list[str]

    def self_contained(self) -> dict[str, Any]:
        """What a checkpoint carries besides the training state, so that it needs no other file."""
        return {
            "kind": "translator", "version": __version__,
            "settings": stored_settings(self.settings), "shape": asdict(self.shape),
            "decoder": self.model.decoder.config_dict(), "tokenizer": self.tokenizer.to_json(),
            "glosses": self.glosses, "clips": self.clips.hashes(), "landmarks": self.landmarks,
        }  # fmt: skip

    def config(self, loaded: Loaded) -> dict[str, Any]:
        """What `config.json` holds."""
        from importlib.metadata import version

        from slt_cli.training.loop import parameter_counts

        return {
            "slt": __version__, "torch": version("torch"), "preset": loaded.preset,
            "settings": stored_settings(self.settings), "overrides": loaded.overrides(),
            "shape": asdict(self.shape), "fingerprint": sha256_json(self.clips.hashes()),
            "landmarks": self.landmarks, "starts": self.starts, "without_ctc": self.short,
            "clips": {"train": len(self.clips.train), "val": len(self.clips.val)},
            "parameters": parameter_counts(self.model),
            "damaged": list(self.clips.damaged),
        }  # fmt: skip


def prepare(
    settings: Settings,
    clips: Clips,
    payload: dict[str, Any] | None,
    device: torch.device,
    report: Report,
) -> Run:
    """Tokenizer, data sets and model of a run, new or as its checkpoint `payload` has them.

    Raises `UsageError` when the clips are not those of the checkpoint or nothing can be learned,
    and the errors of the builders.
    """
    from slt_cli.builders import build_dataset
    from slt_cli.builders.assets import fetch_missing
    from slt_cli.training.distributed import require_same
    from slt_cli.training.precision import check_precision
    from slt_cli.training.state import seed_everything
    from slt_cli.training.validation import check_validation

    config = loop_config(settings)
    check_precision(device, config.precision)
    require_same(sha256_json([stored_settings(settings), clips.hashes()]), "settings and clips")
    with first_process_first():
        fetched = [] if payload else fetch_missing(settings)
    seed_everything(settings.training.seed)
    tokenizer, glosses = words_of(settings, clips, payload)
    metric, size = settings.training.best_metric, len(clips.val)
    check_validation(config.task, metric, size, glosses=bool(glosses))
    train = build_dataset(settings, clips.corpus, clips.train, tokenizer, glosses, augment=True)
    val = build_dataset(settings, clips.corpus, clips.val, tokenizer, glosses, augment=False)
    if payload:
        refuse_changed_clips(payload["clips"], clips)
    _warn_damaged(clips, report)
    short = _without_ctc(train, settings, report)
    shape, model, starts = _model(settings, train, tokenizer, glosses, payload)
    for text in (*fetched, *clips.notes, *starts):
        report("note", text=text)
    return Run(
        settings, clips, tokenizer, glosses, train, val, shape, model.to(device), device,
        train.landmarks(), starts, short,
    )  # fmt: skip


@contextmanager
def first_process_first() -> Iterator[None]:
    """The first process runs the body before the others do: what it leaves on disk, they find."""
    from slt_cli.training.distributed import same_everywhere, world

    if not world().is_main:
        same_everywhere(0)
    yield
    if world().is_main:
        same_everywhere(0)


def words_of(
    settings: Settings, clips: Clips, payload: dict[str, Any] | None
) -> tuple[TextTokenizer, list[str]]:
    """Tokenizer and glosses: those of the checkpoint, or of the training clips alone."""
    from slt_cli.builders import build_tokenizer
    from slt_cli.data.annotations import gloss_vocabulary
    from slt_cli.data.tokenizer import TextTokenizer

    if payload:
        return TextTokenizer.from_json(payload["tokenizer"]), list(payload["glosses"])
    data, task = settings.data, settings.training.task
    tokenizer = build_tokenizer(
        settings.model, data.tokenizer, [record.text for record in clips.train],
        prune=data.prune_vocabulary, search_path=data.tokenizer_search_path,
    )  # fmt: skip
    wanted = settings.model.mska_ctc_weight or task == "gloss2text"
    return tokenizer, gloss_vocabulary(clips.train) if wanted else []


def _model(
    settings: Settings,
    train: ClipDataset,
    tokenizer: TextTokenizer,
    glosses: list[str],
    payload: dict[str, Any] | None,
) -> tuple[ModelShape, SltModel, list[str]]:
    """The model, its shape, and lines about the weights that it starts from."""
    from slt_cli.builders import ModelShape, build_model, load_backbones, start_gloss_embedding
    from slt_cli.pipelines.training.weights import start_weights

    if payload:
        shape = ModelShape(**payload["shape"])
        return shape, build_model(settings, shape, tokenizer, decoder_config=payload["decoder"]), []
    reads_crops = settings.training.task != "gloss2text"
    backbones = load_backbones(settings.model) if reads_crops else {}
    shape = ModelShape(
        len(glosses), train.num_points(), train.pose_dim(),
        {part: vit.config for part, vit in backbones.items()},
    )  # fmt: skip
    model = build_model(settings, shape, tokenizer, backbones=backbones)
    start_gloss_embedding(model, glosses, tokenizer)
    return shape, model, start_weights(model, settings, tokenizer, glosses)


def _warn_damaged(clips: Clips, report: Report) -> None:
    from slt_cli.data.usable import damage_text

    if clips.damaged:
        report("warning", text=f"left out (all in config.json): {damage_text(clips.damaged)}")


def _without_ctc(train: ClipDataset, settings: Settings, report: Report) -> list[str]:
    """The clips that are too short for their glosses, named before training."""
    from slt_cli.builders import gloss_length

    if settings.training.task == "gloss2text":
        return []
    steps = [gloss_length(settings.model, frames) for frames in train.lengths()]
    short = infeasible(train.records, steps)
    if short:
        names = ", ".join(short[:_SHOWN])
        more = " ..., all in config.json" if len(short) > _SHOWN else ""
        report(
            "warning",
            text=f"{len(short)} clips are too short for their glosses, no CTC loss: {names}{more}",
        )
    return short
