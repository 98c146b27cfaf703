from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from slt_cli.errors import Diverged, UsageError
from slt_cli.pipelines.train import check_recipe, loop_config, run_train
from slt_cli.pipelines.training.clips import read_clips
from slt_cli.pipelines.training.recipe import learning_rates
from slt_cli.settings.load import Loaded, load_settings
from slt_cli.settings.root import Settings
from slt_cli.storage.checkpoint import load_checkpoint
from slt_cli.training import loop
from tests.corpora import write_corpus


def loaded(corpus: Path, run: Path, **flags: Any) -> Loaded:
    tiny = {
        "data.corpus": corpus, "data.work_dir": run, "data.batch_size": 4, "model.d_model": 16,
        "model.vocab_size": 64, "training.epochs": 1, "training.generate_every": 1,
        "optim.warmup_steps": 2, "data.max_target_length": 8,
    }  # fmt: skip
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(preset="tiny-cpu", flags={**tiny, **given})


def train(corpus: Path, run: Path, **flags: Any) -> list[tuple[str, dict[str, Any]]]:
    """What the run reports."""
    told: list[tuple[str, dict[str, Any]]] = []
    run_train(loaded(corpus, run, **flags), lambda event, **facts: told.append((event, facts)))
    return told


def texts(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [facts["text"] for event, facts in told if event in {"note", "warning"}]


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "corpus", val=3)


@pytest.fixture(scope="module")
def gloss2text(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "gloss2text"
    train(corpus, run, training__task="gloss2text", training__best_metric="loss")
    return run


def test_rates_of_parts_are_the_given_ones_and_else_lr() -> None:
    flags = {"optim.lr": 0.5, "optim.lr_mska": 0.1, "optim.lr_backbone": 0.2}
    assert learning_rates(load_settings(flags=flags).settings) == {
        "mska": 0.1, "backbone": 0.2, "encoder": 0.5, "decoder": 0.5, "mapper": 0.5,
    }  # fmt: skip


def test_standard_teacher_forcing_ignores_the_ratio() -> None:
    flags = {"training.teacher_forcing_ratio": 0.5, "training.teacher_forcing_decay": 0.5}
    standard = load_settings(flags=flags).settings
    assert loop_config(standard).teacher_forcing.ratio(3) == 1.0
    flags["training.teacher_forcing_mode"] = "scheduled"
    assert loop_config(load_settings(flags=flags).settings).teacher_forcing.ratio(1) == 0.25


def test_a_least_rate_above_the_peak_is_refused() -> None:
    with pytest.raises(UsageError, match=r"min_lr \(0.1\) is above lr \(0.01\)"):
        check_recipe(load_settings(flags={"optim.lr": 0.01, "optim.min_lr": 0.1}).settings)


def test_a_stream_that_is_not_read_cannot_be_mixed() -> None:
    settings = Settings.model_validate({"data": {"mix_streams": {"face": 0.5}}})
    with pytest.raises(UsageError, match="face, which the model does not read") as caught:
        check_recipe(settings)
    assert "model.streams" in str(caught.value.hint)


def test_a_subset_depends_on_the_seed_alone_and_keeps_the_order(corpus: Path) -> None:
    def ids(**flags: Any) -> list[str]:
        return [r.video_id for r in read_clips(loaded(corpus, Path("run"), **flags).settings).train]

    every = ids()
    chosen = ids(training__subset_size=4)
    assert len(chosen) == 4
    assert chosen == [video_id for video_id in every if video_id in chosen]
    assert chosen == ids(training__subset_size=4)
    others = [ids(training__subset_size=4, training__seed=seed) for seed in range(1, 5)]
    assert any(other != chosen for other in others)
    assert ids(training__subset_size=100) == every


def test_a_run_on_a_subset_says_so_and_sees_no_other_clip(corpus: Path, tmp_path: Path) -> None:
    told = train(corpus, tmp_path / "run", training__subset_size=3, training__max_train_steps=1)
    assert "training on 3 of 8 clips" in texts(told)
    clips = load_checkpoint(tmp_path / "run" / "last.pt")["clips"]
    assert sum(name.startswith("train/") for name in clips) == 3
    assert sum(name.startswith("val/") for name in clips) == 3


def test_glosses_alone_train_no_text_decoder(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(corpus, run, training__task="sign2gloss", training__best_metric="gloss_wer")
    (record,) = metrics(run)
    assert record["gloss_wer"] is not None
    assert record["loss_ctc"] > 0
    payload = load_checkpoint(run / "best.pt")
    tuned = {group["part"] for group in payload["optimizer"]["param_groups"]}
    assert tuned == {"mska"}


def test_glosses_to_text_trains_the_decoder_and_its_reader_alone(gloss2text: Path) -> None:
    (record,) = metrics(gloss2text)
    assert record["loss_translation"] > 0
    assert record["bleu"] is not None or record["chrf"] is not None
    payload = load_checkpoint(gloss2text / "best.pt")
    assert {name.split(".")[0] for name in payload["model"]} == {"decoder", "gloss_reader"}
    assert {g["part"] for g in payload["optimizer"]["param_groups"]} == {"decoder", "mapper"}


def test_a_decoder_trained_on_glosses_starts_a_run_on_signing(
    corpus: Path, gloss2text: Path, tmp_path: Path
) -> None:
    told = train(
        corpus, tmp_path / "run", training__init_checkpoint=gloss2text / "best.pt",
        optim__lr=1e-9, optim__weight_decay=0.0, training__max_train_steps=1,
    )  # fmt: skip
    assert any("the text decoder starts from" in text for text in texts(told))
    before = load_checkpoint(gloss2text / "best.pt")["model"]
    after = load_checkpoint(tmp_path / "run" / "last.pt")["model"]
    shared = [name for name in before if name.startswith("decoder.")]
    assert len(shared) > 10
    for name in shared:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-7)


def test_weights_of_another_shape_are_refused_by_name(
    corpus: Path, gloss2text: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="does not fit this model") as caught:
        train(
            corpus, tmp_path / "run", training__task="gloss2text", model__decoder_layers=2,
            training__init_checkpoint=gloss2text / "best.pt",
        )  # fmt: skip
    assert "missing: decoder.model" in caught.value.message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"training__task": "sign2gloss", "model__mska_ctc_weight": 0.0}, "whose weight is 0"),
        (
            {"training__task": "sign2gloss", "model__streams": ["keypoints", "pose"]},
            "would not train pose",
        ),
    ],
)
def test_a_task_that_cannot_learn_is_refused(
    corpus: Path, tmp_path: Path, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(corpus, tmp_path / "run", **flags)
    assert not (tmp_path / "run").exists()


def test_recognition_takes_nothing_of_a_run_that_reads_glosses(
    corpus: Path, gloss2text: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="only the text decoder could be taken"):
        train(
            corpus, tmp_path / "run", training__task="sign2gloss",
            training__best_metric="gloss_wer",
            training__init_checkpoint=gloss2text / "best.pt",
        )  # fmt: skip


@pytest.mark.parametrize("task", ["sign2gloss", "gloss2text"])
def test_tasks_with_glosses_need_some(tmp_path: Path, task: str) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    (corpus / "annotations" / "gloss.csv").unlink()
    with pytest.raises(UsageError, match="needs glosses"):
        train(corpus, tmp_path / "run", training__task=task)


def test_a_loss_that_is_not_finite_leaves_the_batch_and_the_last_good_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, compute = tmp_path / "run", loop.compute_losses
    calls = []

    def spoiled(*arguments: Any) -> dict[str, torch.Tensor]:
        calls.append(arguments)
        terms = compute(*arguments)
        return {**terms, "loss": terms["loss"] * (math.nan if len(calls) == 2 else 1.0)}

    monkeypatch.setattr(loop, "compute_losses", spoiled)
    with pytest.raises(Diverged, match="the loss is nan at update 1"):
        train(corpus, run, training__save_every_steps=1)
    record = load_checkpoint(run / "nan-batch.pt")
    assert len(record["ids"]) == 4
    assert record["step"] == 1
    assert load_checkpoint(run / "last.pt")["progress"]["step"] == 1
    assert json.loads((run / "artifacts.json").read_text("utf-8"))["status"] == "diverged"


def test_everything_at_once(corpus: Path, tmp_path: Path) -> None:
    """bf16, checkpointing, scheduled sampling, accumulation, frames as budget, early stopping."""
    run = tmp_path / "run"
    told = train(
        corpus, run, training__epochs=4, training__precision="bf16",
        training__gradient_checkpointing=True, training__teacher_forcing_mode="scheduled",
        training__teacher_forcing_ratio=0.9, training__teacher_forcing_decay=0.5,
        training__teacher_forcing_min_ratio=0.3, optim__optimizer="sgd", optim__lr=1e-8,
        optim__scheduler="step", optim__grad_accum_steps=2, data__max_batch_frames=30,
        training__early_stopping=1, optim__lr_mska=1e-8, data__num_workers=1,
    )  # fmt: skip
    ratios = [record["teacher_forcing"] for record in metrics(run)]
    assert ratios == pytest.approx([0.9, 0.45, 0.3, 0.3][: len(ratios)])
    assert all(math.isfinite(record["loss"]) for record in metrics(run))
    assert [facts for event, facts in told if event == "warning"] == []
    assert "decoder" in (run / "card.md").read_text("utf-8")  # of the parameters, part by part
    assert (run / "report.html").is_file()
