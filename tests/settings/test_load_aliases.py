"""Keys and values of the older scripts' files, and settings that follow from others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slt_cli.settings.aliases import KEYS, VALUES
from slt_cli.settings.load import Loaded, SettingsError, load_settings
from slt_cli.settings.preset_files import list_presets
from slt_cli.settings.root import known_keys

ALL_FOLDERS = ["data.face_dir=c/face", "data.hand_left_dir=c/hand_l",
               "data.hand_right_dir=c/hand_r", "data.pose_dir=c/pose"]  # fmt: skip
CROPS_AND_POSE = ["face", "hand_left", "hand_right", "pose"]


def with_set(*assignments: str, **layers: Any) -> Loaded:
    return load_settings(assignments=assignments, **layers)


def file(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, "utf-8")
    return path


# ---- keys and values -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_an_older_key_stands_for_one_that_exists(key: str) -> None:
    assert key not in known_keys()
    assert KEYS[key].key in known_keys()


@pytest.mark.parametrize("key", VALUES)
def test_older_values_stand_for_values_that_are_accepted(key: str) -> None:
    section, name = key.split(".")
    for old, new in VALUES[key].items():
        settings = with_set(f"{key}={old}").settings
        assert getattr(getattr(settings, section), name) == new


def test_an_older_key_in_a_file_is_read_and_noted_once(tmp_path: Path) -> None:
    path = file(tmp_path, "model:\n  mska_no_sgr: true\ntraining:\n  label_smoothing: 0.2\n")
    loaded = load_settings(config_files=[path, path])
    assert loaded.settings.model.mska_use_sgr is False
    assert loaded.settings.optim.label_smoothing == 0.2
    assert loaded.origins == {
        "model.mska_use_sgr": f"{path}:2", "optim.label_smoothing": f"{path}:4",
    }  # fmt: skip
    assert loaded.notes == [
        f"model.mska_no_sgr ({path}:2) is an older name: write not model.mska_use_sgr",
        f"training.label_smoothing ({path}:4) is an older name: write optim.label_smoothing",
    ]


def test_older_keys_are_read_in_every_layer() -> None:
    by_variable = load_settings(environ={"SLT_MODEL_USE_MSKA": "yes"})
    assert by_variable.settings.model.streams == ["keypoints"]
    by_set = with_set("model.mska_sgr_per_stream=on")
    assert by_set.settings.model.mska_sgr_shared is False
    assert len(by_variable.notes) == len(by_set.notes) == 1


@pytest.mark.parametrize("key", ["model.use_mska", "model.mska_no_sgr"])
def test_an_older_switch_must_be_true_or_false(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        with_set(f"{key}=perhaps")
    (problem,) = caught.value.problems
    assert (problem.key, problem.place) == (key, "--set #1")
    assert "true or false" in problem.message


def test_a_later_layer_beats_an_older_key_of_an_earlier_one(tmp_path: Path) -> None:
    path = file(tmp_path, "model:\n  mska_no_sgr: true\n")
    loaded = with_set("model.mska_use_sgr=true", config_files=[path])
    assert loaded.settings.model.mska_use_sgr is True


# ---- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignments", "streams"),
    [
        ([], ["keypoints"]),
        (["data.face_dir=x"], ["face"]),
        (["data.pose_dir=p", "data.face_dir=x"], ["face", "pose"]),
        (ALL_FOLDERS, CROPS_AND_POSE),
        (["data.keypoints_dir=k"], ["keypoints"]),
        (["data.face_dir=x", "data.keypoints_dir=k"], ["face"]),
        (["data.face_dir=null"], ["keypoints"]),
        (["model.use_mska=true"], ["keypoints"]),
        ([*ALL_FOLDERS, "model.use_mska=true"], ["keypoints", *CROPS_AND_POSE]),
        ([*ALL_FOLDERS, "model.use_mska=false"], CROPS_AND_POSE),
        (["model.streams=pose", *ALL_FOLDERS], ["pose"]),
        (["model.streams=pose", "model.use_mska=true"], ["keypoints", "pose"]),
        (["model.streams=pose,keypoints", "model.use_mska=false"], ["pose"]),
    ],
)
def test_streams_follow_from_the_folders_where_nothing_names_them(
    assignments: list[str], streams: list[str]
) -> None:
    assert with_set(*assignments).settings.model.streams == streams


@pytest.mark.parametrize("preset", [p.name for p in list_presets("train")])
def test_a_presets_streams_stay_whatever_folders_are_given(preset: str) -> None:
    alone = load_settings(preset=preset).settings.model.streams
    assert with_set(*ALL_FOLDERS, preset=preset).settings.model.streams == alone


def test_use_mska_adds_to_a_presets_streams() -> None:
    loaded = with_set("model.use_mska=true", preset="signmusketeers")
    assert loaded.settings.model.streams == ["keypoints", *CROPS_AND_POSE]


def test_streams_of_a_later_layer_beat_use_mska_of_an_earlier_one(tmp_path: Path) -> None:
    path = file(tmp_path, "model:\n  use_mska: true\n")
    assert with_set("model.streams=face", config_files=[path]).settings.model.streams == ["face"]


def test_derived_streams_tell_where_they_come_from() -> None:
    loaded = load_settings(flags={"data.face_dir": "f", "model.use_mska": True})
    assert loaded.origins["model.streams"] == "flag --face-dir, flag --use-mska"
    assert loaded.notes == []  # flags of the scripts are flags, too


def test_streams_that_are_none_are_told_once() -> None:
    with pytest.raises(SettingsError) as caught:
        with_set("model.streams=[face", "model.use_mska=true")
    assert [problem.key for problem in caught.value.problems] == ["model.streams"]


# ---- what else follows ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignments", "corpus"),
    [
        (ALL_FOLDERS, "c"),
        (ALL_FOLDERS[:3], "corpus"),
        ([*ALL_FOLDERS, "data.pose_dir=elsewhere/pose"], "corpus"),
        ([*ALL_FOLDERS, "data.corpus=mine"], "mine"),
    ],
)
def test_four_folders_side_by_side_are_a_corpus(assignments: list[str], corpus: str) -> None:
    assert with_set(*assignments).settings.data.corpus == Path(corpus)


@pytest.mark.parametrize(
    ("assignments", "width"),
    [
        ([], 128),
        (["model.decoder_heads=6"], 132),  # 4 and 6 divide it
        (["model.decoder_heads=8"], 128),
        (["model.decoder_heads=6", "model.temporal_heads=9"], 144),
        (["model.decoder_heads=6", "model.d_model=96", "model.temporal_heads=3"], 96),
    ],
)
def test_the_width_follows_from_the_heads_where_nothing_says_it(
    assignments: list[str], width: int
) -> None:
    assert with_set(*assignments).settings.model.d_model == width


@pytest.mark.parametrize("heads", ["0", "many", "-3"])
def test_numbers_of_heads_that_are_none_are_problems_of_the_heads(heads: str) -> None:
    with pytest.raises(SettingsError) as caught:
        with_set(f"model.decoder_heads={heads}")
    assert [problem.key for problem in caught.value.problems] == ["model.decoder_heads"]


@pytest.mark.parametrize(
    "written", ["model.decoder_prompt_text=hola", "model.decoder_prompt_tokens=3,4"]
)
def test_a_prompt_starts_from_its_text_or_tokens(written: str) -> None:
    assert with_set(written).settings.model.decoder_prompt_init == "tokens"
    named = with_set(written, "model.decoder_prompt_init=vocab").settings.model
    assert named.decoder_prompt_init == "vocab"


def test_a_download_that_is_allowed_looks_beyond_this_machine() -> None:
    settings = with_set("training.allow_download=true").settings
    assert not settings.model.decoder_local_files_only
    assert not settings.data.tokenizer_local_files_only
    kept = with_set("training.allow_download=yes", "model.decoder_local_files_only=true").settings
    assert kept.model.decoder_local_files_only
    assert with_set().settings.model.decoder_local_files_only


# ---- variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["/a:/b", "/a,/b", '["/a", "/b"]'])
def test_search_paths_may_be_variables_separated_like_path(text: str) -> None:
    loaded = load_settings(environ={"SLT_DATA_TOKENIZER_SEARCH_PATH": text})
    assert loaded.settings.data.tokenizer_search_path == [Path("/a"), Path("/b")]


def test_the_variable_of_the_starting_checkpoint_is_no_unknown_setting() -> None:
    assert load_settings(environ={"SLT_SINGLE_SIGNER_CHECKPOINT": "x.pt"}).notes == []
