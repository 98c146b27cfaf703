from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from slt_cli.builders import ModelShape, build_dataset, build_model
from slt_cli.data.annotations import gloss_vocabulary, read_split
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import SltError, UsageError, VerificationError
from slt_cli.export import onnx as onnx_module
from slt_cli.export.bundle import MANIFEST, read_bundle
from slt_cli.pipelines.corpora import corpus_paths
from slt_cli.pipelines.export import plan_export, run_export
from slt_cli.pipelines.result import silent
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings
from slt_cli.storage.checkpoint import save_checkpoint
from tests.corpora import write_corpus
from tests.export.test_onnx import change_a_weight

TINY = {
    "sequence_length": 16, "d_model": 16, "mska_width": 16, "mska_temporal_blocks": 2,
    "mska_stream_heads": 2, "decoder_layers": 1, "vocab_size": 40,
}  # fmt: skip


@dataclass
class Exported:
    """An untrained run, and the bundle that the command line made of it."""

    run: Path
    bundle: Path
    stdout: str
    facts: dict[str, Any]


def write_untrained_run(run: Path, corpus: Path) -> None:
    settings = Settings.model_validate(
        {"model": TINY, "data": {"corpus": corpus, "max_target_length": 8}}
    )
    records = read_split(corpus_paths(settings.data), "train")
    tokenizer = TextTokenizer.train([r.text for r in records], settings.model.vocab_size)
    glosses = gloss_vocabulary(records)
    data = build_dataset(
        settings, corpus_paths(settings.data), records, tokenizer, glosses, augment=False
    )
    shape = ModelShape(len(glosses), data.num_points(), data.pose_dim(), {})
    model = build_model(settings, shape, tokenizer)
    landmarks = {**data.landmarks(), "model": "/home/ana/models/holistic.task"}
    save_checkpoint(
        run / "best.pt",
        {
            "kind": "translator", "settings": settings.model_dump(mode="json"),
            "shape": asdict(shape), "tokenizer": tokenizer.to_json(), "glosses": glosses,
            "decoder": model.decoder.config_dict(), "landmarks": landmarks,
            "model": model.state_dict(),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("export")
    write_untrained_run(root / "ana" / "run", write_corpus(root / "corpus"))
    command = [sys.executable, "-m", "slt_cli", "export", "onnx", str(root / "ana" / "run")]
    done = subprocess.run(
        [*command, "-o", str(root / "bundle"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["facts"]
    return Exported(root / "ana" / "run", root / "bundle", done.stdout, facts)


def settings_for(output: Path, **data: Any) -> Settings:
    return Settings.model_validate({"export": {"output": output}, "data": data})


@pytest.fixture
def copied_graphs(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting again takes seconds: hand out the graphs that are there."""

    def copy(model: Any, preprocess: Any, folder: Path, *, opset: int) -> None:
        for name in ("encoder.onnx", "decoder.onnx"):
            shutil.copy(exported.bundle / name, folder / name)

    monkeypatch.setattr(onnx_module, "export_onnx", copy)


def test_stdout_holds_the_result_alone_with_the_figures(exported: Exported) -> None:
    assert exported.stdout.count("\n") == 1
    facts = exported.facts
    assert set(facts["parity"]) == {
        "memory",
        "memory_valid",
        "gloss_scores",
        "gloss_valid",
        "logits",
    }
    assert all(difference < 1e-4 for difference in facts["parity"].values())
    assert facts["parity"]["memory"] > 0
    assert facts["text_check"]["clips"] == 3
    assert facts["text_check"]["source"] == "the validation split"
    assert set(facts["bytes"]) == {p.name for p in exported.bundle.iterdir()}
    for name, size in facts["bytes"].items():
        assert (exported.bundle / name).stat().st_size == size
    assert facts["elapsed_s"] > 0


def test_few_texts_are_called_not_informative(exported: Exported) -> None:
    assert exported.facts["text_check"]["informative"] is False
    assert any(
        "the text check says little" in warning
        for warning in json.loads(exported.stdout)["warnings"]
    )


def test_the_bundle_describes_the_run(exported: Exported) -> None:
    bundle = read_bundle(exported.bundle)
    spec = bundle.preprocess
    assert (spec.layout, spec.sequence_length, spec.max_length) == ("mediapipe_holistic_543", 16, 8)
    assert (spec.pad_id, spec.bos_id, spec.eos_id) == (0, 1, 2)
    assert spec.num_points["hand_left"] == 27
    assert bundle.manifest["text_check"]["clips"] == 3
    card = (exported.bundle / "card.md").read_text("utf-8")
    assert "trained on 8 clips" in card
    assert "Not evaluated" in card


def test_no_file_tells_folders_or_user_names(exported: Exported) -> None:
    repository = str(Path(__file__).resolve().parents[2])
    for file in exported.bundle.iterdir():
        data = file.read_bytes()
        for secret in (repository, str(exported.run), "/ana", sys.prefix, str(Path.home()) + "/"):
            assert secret.encode() not in data, (file.name, secret)
    assert read_bundle(exported.bundle).preprocess.landmarks["model"] == "holistic.task"


@pytest.mark.parametrize("graph", ["encoder.onnx", "decoder.onnx"])
@pytest.mark.usefixtures("copied_graphs")
def test_a_graph_that_differs_leaves_no_bundle(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph: str
) -> None:
    copy = onnx_module.export_onnx

    def broken(model: Any, preprocess: Any, folder: Path, *, opset: int) -> None:
        copy(model, preprocess, folder, opset=opset)
        change_a_weight(folder / graph)

    monkeypatch.setattr(onnx_module, "export_onnx", broken)
    with pytest.raises(VerificationError, match="at B=") as raised:
        run_export(exported.run, settings_for(tmp_path / "b"), silent)
    assert raised.value.exit_code == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("copied_graphs")
def test_a_failed_export_leaves_the_older_bundle_as_it_was(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Path(shutil.copytree(exported.bundle, tmp_path / "b"))
    monkeypatch.setattr(
        "slt_cli.export.parity.check_text",
        lambda *a, **k: (_ for _ in ()).throw(VerificationError("x")),
    )
    settings = Settings.model_validate({"export": {"output": older, "overwrite": True}})
    with pytest.raises(VerificationError):
        run_export(exported.run, settings, silent)
    read_bundle(older)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


@pytest.mark.usefixtures("copied_graphs")
def test_without_the_runs_corpus_text_is_checked_on_random_inputs(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = exported.run.parents[1] / "corpus"
    corpus.rename(tmp_path / "moved")
    try:
        result = run_export(exported.run, settings_for(tmp_path / "a"), silent)
        assert result.facts["text_check"]["source"] == "random inputs"
        assert any("name a corpus with --data" in warning for warning in result.warnings)
        assert "not at hand" in (tmp_path / "a" / "card.md").read_text("utf-8")
        result = run_export(
            exported.run, settings_for(tmp_path / "b", corpus=tmp_path / "moved"), silent
        )
        assert result.facts["text_check"]["source"] == "the validation split"
        with pytest.raises(SltError, match="corpus"):
            run_export(
                exported.run, settings_for(tmp_path / "c", corpus=tmp_path / "nowhere"), silent
            )
        assert not (tmp_path / "c").exists()
    finally:
        (tmp_path / "moved").rename(corpus)


@pytest.mark.usefixtures("copied_graphs")
def test_scores_of_the_run_are_on_the_card(exported: Exported, tmp_path: Path) -> None:
    run = Path(shutil.copytree(exported.run, tmp_path / "run"))
    report = {
        "split": "test", "clips": 60, "decoding": {"beams": 4},
        "scores": {"text": [{"name": "BLEU-4", "value": 41.237, "signature": "nrefs:1"}]},
    }  # fmt: skip
    (run / "eval" / "test").mkdir(parents=True)
    (run / "eval" / "test" / "report.json").write_text(json.dumps(report), "utf-8")
    run_export(run, settings_for(tmp_path / "b"), silent)
    card = (tmp_path / "b" / "card.md").read_text("utf-8")
    assert "BLEU-4 41.24 (test, 60 clips, 4 beams; nrefs:1)" in card


def test_an_existing_bundle_is_refused_before_any_work(exported: Exported) -> None:
    before = (exported.bundle / MANIFEST).read_bytes()
    with pytest.raises(UsageError, match="exists"):
        run_export(exported.run, settings_for(exported.bundle), silent)
    assert (exported.bundle / MANIFEST).read_bytes() == before


def test_the_plan_names_the_output_and_what_is_missing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_export(exported.run, Loaded(Settings()))
    assert plan.status == "planned"
    assert str(Path("exports/run")) in plan.text
    assert plan.facts["missing"] == []
    missing = plan_export(tmp_path / "no-run", Loaded(Settings())).facts["missing"]
    assert len(missing) == 1
    assert "no such run" in missing[0]
    taken = plan_export(exported.run, Loaded(settings_for(exported.bundle))).facts["missing"]
    assert "exists" in taken[0]
    assert list(tmp_path.iterdir()) == []
