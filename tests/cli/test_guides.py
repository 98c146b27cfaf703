"""Every command, file and flag of the guides that concerns training still means what it meant."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slt_cli.builders.estimate import Part
from slt_cli.cli.aliases import PRESET_NAMES
from slt_cli.cli.main import join_set_pairs, run
from slt_cli.corpus.clip_files import save_pose
from slt_cli.pipelines import train_cost
from slt_cli.pipelines.train_cost import Estimate
from slt_cli.settings.load import Loaded, load_settings
from tests.cli.guide_commands import COMMANDS, YAML
from tests.cli.guide_flags import FLAGS, PRETRAIN_FLAGS
from tests.corpora import write_corpus
from tests.data.sentences import train_sentencepiece
from tests.settings.test_fields import click_command

MIGRATING = Path(__file__).parents[2] / "docs" / "migrating.md"
FRAMES = 8  # of every clip
PROCESSED = "data/single_signer/processed"
FOLDERS = {
    "data.face_dir": f"{PROCESSED}/face", "data.hand_left_dir": f"{PROCESSED}/hand_l",
    "data.hand_right_dir": f"{PROCESSED}/hand_r", "data.pose_dir": f"{PROCESSED}/pose",
    "data.metadata_csv": "meta.csv", "data.corpus": PROCESSED,
    "data.train_index": "data/single_signer/index/train.csv",
    "data.val_index": "data/single_signer/index/val.csv",
}  # fmt: skip
CROPS_AND_POSE = ["face", "hand_left", "hand_right", "pose"]
MINIMAL = {
    **FOLDERS, "data.work_dir": "work_dirs/single_signer_experiment", "model.sequence_length": 64,
    "model.image_size": 224, "training.epochs": 40, "optim.lr": 0.0005,
    "model.streams": CROPS_AND_POSE,
}  # fmt: skip
STATES = {
    f"model.{part}_backbone": f"file::work_dirs/dino_{folder}/backbone.pt:dinov2_vits14"
    for part, folder in (("face", "face"), ("hand_left", "hands"), ("hand_right", "hands"))
}
MEANS: dict[str, dict[str, Any]] = {
    "demo": {
        "data.face_dir": "data/rois/face", "data.pose_dir": "data/rois/pose",
        "data.corpus": "data/rois", "data.metadata_csv": "data/lsa_t/subs.csv",
        "data.batch_size": 2, "training.epochs": 2, "data.work_dir": "work_dirs/demo",
        "model.streams": CROPS_AND_POSE,
    },
    "basic": {
        **FOLDERS, "data.work_dir": "work_dirs/single_signer_experiment", "data.batch_size": 4,
        "data.tokenizer": "hf-internal-testing/tiny-random-T5", "training.epochs": 40,
        "model.sequence_length": 64, "model.streams": CROPS_AND_POSE,
    },
    "signmusketeers": {
        **FOLDERS, "data.work_dir": "work_dirs/signmusketeers_t5", "data.batch_size": 4,
        "model.sequence_length": 128, "model.d_model": 768, "model.decoder_model": "t5-base",
        "model.streams": CROPS_AND_POSE,
    },
    "mska_mbart": {
        **FOLDERS, "data.keypoints_dir": f"{PROCESSED}/keypoints", "optim.lr": 1e-5,
        "data.gloss_csv": "data/single_signer/gloss.csv", "data.batch_size": 4,
        "data.work_dir": "work_dirs/mska_mbart_offline", "model.sequence_length": 128,
        "optim.weight_decay": 1e-3, "training.epochs": 40, "model.mska_ctc_weight": 1.0,
        "model.mska_distillation_weight": 1.0, "model.mska_temporal_blocks": 8,
        "model.mska_stream_heads": 6, "model.decoder_model": "mbart-large",
        "model.streams": ["keypoints"],
    },
    "prompt": {
        "model.decoder_prompt_length": 20, "model.decoder_prompt_init": "tokens",
        "model.decoder_prompt_text": "translate to rioplatense",
        "training.teacher_forcing_mode": "scheduled", "training.teacher_forcing_ratio": 1.0,
        "training.teacher_forcing_min_ratio": 0.3, "training.teacher_forcing_decay": 0.9,
    },
    "augmentation": {
        **MINIMAL, "data.keypoint_scale_range": [0.9, 1.1],
        "data.keypoint_translate_range": [-0.05, 0.05],
        "data.keypoint_rotate_range": [-15.0, 15.0], "data.keypoint_resample_range": [0.85, 1.1],
    },
    "overrides": {
        **MINIMAL, "data.batch_size": 6, "optim.scheduler": "cosine", "model.decoder_heads": 6,
        "model.d_model": 132,  # the next width above 128 that 4 and 6 divide
    },
    "own_decoder": {
        "model.decoder_class": "my_project.decoders:MyDecoder",
        "model.decoder_kwargs": {"dropout": 0.0, "share_embeddings": True},
    },
    "frozen_face_backbone": {
        **MINIMAL, "model.freeze_face_backbone": True,
        "model.face_backbone": STATES["model.face_backbone"],
    },
    "pretrained_states": {
        **MINIMAL, **STATES, "model.mska_face_state": "work_dirs/dino_face/encoder_face.pt",
        "model.mska_hand_state": "work_dirs/dino_hands/encoder_hand.pt",
        "model.streams": ["keypoints", *CROPS_AND_POSE],
    },
}  # fmt: skip
OWN_DECODER = """
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.decoder.families import build_seq2seq


class MyDecoder(TextSeq2SeqDecoder):
    def __init__(self, dropout, share_embeddings, d_model, vocab_size, pad_id, bos_id, eos_id,
                 max_source, max_target):
        assert share_embeddings
        super().__init__(build_seq2seq(
            family="mbart", vocab_size=vocab_size, d_model=d_model, layers=1, heads=2,
            dropout=dropout, max_source=max_source, max_target=max_target, pad_id=pad_id,
            bos_id=bos_id, eos_id=eos_id,
        ))
"""


def _add_crops_and_poses(corpus: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "JPEG")
    clips = [file.stem for file in sorted((corpus / "keypoints").glob("*.npz"))]
    for clip in clips:
        for part in ("face", "hand_l", "hand_r"):
            (corpus / part).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                (corpus / part / f"{clip}_f{frame:06d}.jpg").write_bytes(picture.getvalue())
        save_pose(corpus / "pose" / f"{clip}.npz", np.zeros((FRAMES, 17 * 3)))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every file that the guides name exists."""
    folder = tmp_path_factory.mktemp("guides")
    corpus = write_corpus(folder / "corpus", train=4, val=2, test=1, frames=FRAMES)
    _add_crops_and_poses(corpus)
    for name in (PROCESSED, "data/rois"):
        for part in ("face", "hand_l", "hand_r", "pose", "keypoints"):
            shutil.copytree(corpus / part, folder / name / part)
    for name in ("data/single_signer", "data/lsa_t"):
        shutil.copytree(corpus / "index", folder / name / "index")
    shutil.copy(corpus / "meta.csv", folder / "meta.csv")
    shutil.copy(corpus / "meta.csv", folder / "data/lsa_t/subs.csv")
    shutil.copy(corpus / "annotations/gloss.csv", folder / "data/single_signer/gloss.csv")
    (folder / "configs").mkdir()
    for name, extra in (("single_signer.yml", ""), ("single_signer_mska.yaml", "")):
        (folder / "configs" / name).write_text(YAML["minimal"] + extra, "utf-8")
    for name in ("dino_face/encoder_face", "dino_face/backbone", "dino_hands/encoder_hand",
                 "dino_hands/backbone"):  # fmt: skip
        file = folder / "work_dirs" / f"{name}.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"weights")  # a dry run only looks whether they are there
    words = folder / "assets" / "hf-internal-testing" / "tiny-random-T5"
    words.mkdir(parents=True)
    train_sentencepiece(words / "spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "my_project").mkdir()
    (folder / "my_project" / "__init__.py").touch()
    (folder / "my_project" / "decoders.py").write_text(OWN_DECODER, "utf-8")
    return folder


@pytest.fixture
def dry_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, dict[str, Any]]]:
    """Run a command line of a guide in `root`; exit code and JSON object."""
    for name in ("SLT_ASSETS", "SLT_SINGLE_SIGNER_CHECKPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)

    def call(text: str) -> tuple[int, dict[str, Any]]:
        words = shlex.split(text.replace("\\\n", " "))  # as a shell joins lines
        assert words[0] == "slt"
        code = run(join_set_pairs([*words[1:], "--dry-run", "--json"]))
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = Estimate([Part("mska", 1, 0)], 1, "", 1, 1.0, "", 1)
    monkeypatch.setattr(train_cost, "estimate_run", lambda settings, clips: made_up)


@pytest.mark.usefixtures("no_estimate")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_guides_means_what_it_meant(dry_run, name: str) -> None:
    code, said = dry_run(COMMANDS[name])
    assert code == 0, said["errors"]
    assert said["facts"]["missing"] == []
    values = {key: entry["value"] for key, entry in said["facts"]["settings"].items()}
    assert {key: values.get(key) for key in MEANS[name]} == MEANS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_the_model_of_a_command_can_be_built_and_its_cost_be_told(dry_run, name: str) -> None:
    code, said = dry_run(COMMANDS[name])
    assert code == 0, said["errors"]
    estimate = said["facts"]["estimate"]
    assert estimate["memory_mib"] > 0
    assert estimate["train_s"] > 0
    assert sum(part["trained"] for part in estimate["parameters"].values()) > 10_000


def test_every_command_has_its_meaning_written_down() -> None:
    assert MEANS.keys() == COMMANDS.keys()
    assert len(COMMANDS) == 10


def loaded_from(text: str, folder: Path, suffix: str = ".yaml") -> Loaded:
    file = folder / f"config{suffix}"
    file.write_text(text, "utf-8")
    return load_settings(config_files=[file])


def values_of(loaded: Loaded) -> dict[str, Any]:
    return {key: entry["value"] for key, entry in loaded.overrides().items()}


def test_the_minimal_file_of_the_guides_loads_as_it_is(tmp_path: Path) -> None:
    loaded = loaded_from(YAML["minimal"], tmp_path)
    assert values_of(loaded) == MINIMAL
    assert loaded.notes == []


def test_the_gloss_mlp_of_the_guides_loads_as_it_is(tmp_path: Path) -> None:
    loaded = loaded_from(YAML["gloss_mlp"], tmp_path)
    assert values_of(loaded) == {
        "model.mska_gloss_hidden_dim": 256, "model.mska_gloss_second_hidden_dim": 128,
        "model.mska_gloss_dropout": 0.1, "model.streams": ["keypoints"],
    }  # fmt: skip
    (note,) = loaded.notes
    assert "model.use_mska" in note


def test_the_mixed_streams_of_the_guides_load_as_they_are(tmp_path: Path) -> None:
    loaded = loaded_from(YAML["mix_streams"], tmp_path)
    assert loaded.settings.data.mix_streams == {"face": 0.5, "hand_left": 0.25}


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_the_minimal_file_says_the_same_in_other_formats(tmp_path: Path, suffix: str) -> None:
    from slt_cli.settings.files import parse_config

    tree = parse_config(YAML["minimal"], ".yaml", "guide")
    text = json.dumps(tree)
    if suffix == ".toml":
        text = "".join(
            f"[{section}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in fields.items())
            for section, fields in tree.items()
        )
    assert values_of(loaded_from(text, tmp_path, suffix)) == MINIMAL


# ---- the table of flags --------------------------------------------------------------------------


def table(script: str) -> dict[str, str]:
    """Flag of a script -> what the page says about it."""
    found: dict[str, str] = {}
    _, _, page = MIGRATING.read_text("utf-8").partition(f"### Every flag of `{script}")
    for line in page.partition("\n#")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("|") and len(cells) == 2:
            for flag in re.findall(r"`(--[\w*-]+)", cells[0]):
                found.setdefault(flag, cells[1])
    return found


def options(command: str) -> set[str]:
    return {
        name
        for parameter in click_command(command).params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def named(said: str) -> list[str]:
    return re.findall(r"`(--[a-z][\w-]*)", said)


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_of_the_training_guides_is_in_the_table(flag: str) -> None:
    said = table("train_slt_multistream_v9.py")[flag]
    assert set(named(said)) <= options("train"), flag
    if "the same" in said:
        assert flag in options("train")
    else:
        assert named(said) or "TensorBoard" in said, flag


@pytest.mark.parametrize("flag", PRETRAIN_FLAGS)
def test_every_flag_of_the_pretraining_guides_is_in_the_table(flag: str) -> None:
    said = table("pretrain_dino_face.py")[flag]
    assert set(named(said)) <= options("pretrain"), flag
    assert ("the same" in said) == (flag in options("pretrain"))
    assert "the same" in said or "not there" in said or named(said), flag


def test_the_list_of_flags_is_that_of_the_guides_commands() -> None:
    written = set(re.findall(r"--[a-z][a-z-]*", " ".join(COMMANDS.values())))
    assert written <= set(FLAGS)
    assert len(FLAGS) == len(set(FLAGS)) >= 90
    assert PRESET_NAMES[-1] in FLAGS
