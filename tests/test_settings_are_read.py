"""A setting that nothing reads is a promise not kept: the recorder that tells, itself tested."""

from dataclasses import replace
from pathlib import Path

import pytest

from slt_cli.errors import MissingAsset, UsageError
from slt_cli.pipelines.demo import plan_demo, run_demo
from slt_cli.pipelines.evaluate import run_evaluate
from slt_cli.pipelines.export import run_export
from slt_cli.pipelines.extract import run_extract
from slt_cli.pipelines.pretrain import plan_pretrain, run_pretrain
from slt_cli.pipelines.result import silent
from slt_cli.pipelines.train import run_train
from slt_cli.pipelines.translate import run_translate
from slt_cli.pipelines.validate import run_validate
from slt_cli.settings.load import flat_values, load_settings
from slt_cli.settings.root import Settings, known_keys
from slt_cli.synthetic.dataset import plan_demo_clips, render_clip, write_tables
from tests.recording import RecordingSettings


@pytest.fixture
def settings() -> RecordingSettings:
    return RecordingSettings(Settings())


def test_reading_a_field_is_noted_and_gives_the_real_value(settings):
    assert settings.optim.lr == Settings().optim.lr
    section = settings.data
    assert getattr(section, "batch_size") == Settings().data.batch_size  # noqa: B009
    assert settings.read == {"optim.lr", "data.batch_size"}


def test_looking_at_a_section_alone_is_not_reading(settings):
    assert settings.model == Settings().model
    assert settings.read == set()


def test_dumping_is_not_reading(settings):
    assert settings.model_dump(mode="json") == Settings().model_dump(mode="json")
    assert settings.optim.model_dump() == Settings().optim.model_dump()
    assert flat_values(settings) == flat_values(Settings())
    assert settings.read == set()


def test_contradictions_are_checked_on_the_real_section_unnoted(settings):
    assert list(settings.model.contradictions()) == []
    assert settings.read == set()


def test_a_field_that_does_not_exist_is_an_error_as_ever(settings):
    with pytest.raises(AttributeError):
        _ = settings.optim.learning_rate
    with pytest.raises(AttributeError):
        _ = settings.optimizer


def test_it_passes_for_settings_where_the_type_is_asked(settings):
    loaded = replace(load_settings(), settings=settings)
    assert isinstance(loaded.settings, Settings)
    assert loaded.settings.training.epochs == 40
    assert settings.read == {"training.epochs"}


def test_every_field_can_be_noted(settings):
    for key in known_keys():
        section, name = key.split(".")
        getattr(getattr(settings, section), name)
    assert settings.read == set(known_keys())


def test_every_setting_is_read_by_some_verb(tmp_path, monkeypatch):
    monkeypatch.setattr("torch._dynamo.config.disable", True)  # asked to compile, torch does not
    read: set[str] = set()

    def verb(run, *arguments, **flags):
        loaded = load_settings(flags={k.replace("__", "."): v for k, v in flags.items()})
        recorder = RecordingSettings(loaded.settings)
        wants_loaded = run.__name__ in {"run_train", "run_evaluate", "run_pretrain"}
        given = replace(loaded, settings=recorder) if wants_loaded else recorder
        try:
            return run(*arguments, given, silent)
        finally:
            read.update(recorder.read)

    corpus, run = tmp_path / "corpus", tmp_path / "run"
    clips = plan_demo_clips(0, 4, 2, 2)
    for clip in clips:
        video = tmp_path / "videos" / f"{clip.video_id}.mp4"
        render_clip(video, clip.sentence.glosses, clip.signer, clip.seed)
    write_tables(corpus, clips)
    verb(
        run_extract, [str(tmp_path / "videos")], extract__output=corpus, extract__crop_size=32,
        extract__estimator="synthetic",
    )  # fmt: skip
    listing = tmp_path / "videos.list"
    listing.write_bytes(b"\0".join(bytes(p) for p in sorted((tmp_path / "videos").glob("*.mp4"))))
    names = ("train_000", "val_000", "test_000")
    rows = [f"{name}_a;hola {name};{name};0;0.2\n" for name in names]
    (tmp_path / "clips.csv").write_text("video_id;texto;video;start;end\n" + "".join(rows))
    verb(
        run_extract, [], extract__output=tmp_path / "part", extract__crop_size=32,
        extract__estimator="synthetic", extract__files_from=str(listing), extract__null=True,
        extract__segments=tmp_path / "clips.csv", extract__shuffle=True, extract__shard="0/1",
        extract__pack=True,
    )  # fmt: skip
    assert verb(run_validate, corpus).exit_code == 0
    verb(run_validate, tmp_path / "part", check__make_splits=True)
    verb(run_validate, tmp_path / "clips.csv", check__output_dir=tmp_path / "table")
    backbone = verb(
        run_pretrain, pretrain__train_dir=[str(corpus / "face")],
        pretrain__output_dir=tmp_path / "dino",
        pretrain__image_size=32, pretrain__local_size=16, pretrain__patch_size=8,
        pretrain__local_crops=1, pretrain__epochs=1, pretrain__warmup_epochs=0,
        pretrain__vit_embed_dim=24, pretrain__vit_depth=1, pretrain__vit_heads=2,
        pretrain__prototypes=16,
    ).facts["backbone"]  # fmt: skip
    read |= verb_reads_corpus_by_default()
    small = {
        "model__d_model": 16, "model__projector_dim": 16, "model__image_size": 32,
        "model__sequence_length": 8, "model__temporal_layers": 1, "model__decoder_layers": 1,
        "model__mska_width": 16, "model__mska_temporal_blocks": 2, "model__mska_stream_heads": 2,
        "model__decoder_prompt_length": 2,
        "model__streams": ["keypoints", "pose", "face", "hand_left", "hand_right"],
        "training__epochs": 1, "training__generate_every": 1, "data__max_target_length": 8,
        "training__save_every_steps": 1, "training__compile": True,
    }  # fmt: skip
    backbones = {
        f"model__{part}_backbone": backbone for part in ("face", "hand_left", "hand_right")
    }
    verb(run_train, data__corpus=corpus, data__work_dir=run, **small, **backbones)
    missing = {
        "model__decoder_class": "json:loads", "data__tokenizer": "of-nobody",
        "model__decoder_model": "of-nobody",
    }  # fmt: skip
    for name, value in missing.items():
        with pytest.raises((UsageError, MissingAsset)):
            verb(run_train, data__corpus=corpus, data__work_dir=tmp_path / name, **{name: value})

    def run_metrics(settings, report):
        return run_validate(Path("metrics"), settings, report, subject=run)

    metrics = verb(run_metrics, check__reference=run / "metrics.jsonl")
    assert metrics.exit_code == 0
    assert verb(run_evaluate, run, eval__batch_size=2).counts["clips"] == 2
    bundle = tmp_path / "bundle"
    verb(run_export, run, export__output=bundle)
    video = tmp_path / "videos" / "test_000.mp4"
    for model in (run, bundle):
        said = verb(run_translate, [video], translate__model=model, extract__estimator="synthetic")
        assert said.counts == {"translated": 1, "failed": 0}
    (tmp_path / "demo").mkdir()
    with pytest.raises(UsageError, match="exists"):
        verb(run_demo, demo__output=tmp_path / "demo")
    read |= keys_of_the_demo()
    assert set(known_keys()) - read == set()


def verb_reads_corpus_by_default() -> set[str]:
    """`slt pretrain` without folders reads the corpus's crops."""
    loaded = load_settings(flags={"pretrain.stream": "face"})
    recorder = RecordingSettings(loaded.settings)
    plan = plan_pretrain(replace(loaded, settings=recorder))
    assert plan.facts["missing"] == ["corpus/face (a folder of images)"]
    return recorder.read


def keys_of_the_demo() -> set[str]:
    """The demo's other settings shape the videos and the commands that its plan shows."""
    loaded = load_settings()
    recorder = RecordingSettings(loaded.settings)
    plan_demo(replace(loaded, settings=recorder))
    return recorder.read
