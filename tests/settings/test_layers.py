"""Each layer beats the one before it, and every value knows where it was written."""

from pathlib import Path

import pytest

from slt_cli.settings.load import SettingsError, flat_values, load_settings
from slt_cli.settings.preset_files import find_preset
from slt_cli.settings.root import Settings, known_keys

KEY = "optim.lr"


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def layers(tmp_path):
    """Arguments of `load_settings` for each layer, weakest first, with value and origin."""
    preset_line = find_preset("tiny-cpu").read_text().splitlines().index("  lr: 0.002") + 1
    first = write(tmp_path / "first.yaml", "optim:\n  lr: 0.02\n")
    second = write(tmp_path / "second.toml", "[optim]\nlr = 0.03\n")
    return [
        ({}, 0.0005, "default"),
        ({"preset": "tiny-cpu"}, 0.002, f"preset tiny-cpu:{preset_line}"),
        ({"config_files": [first]}, 0.02, f"{first}:2"),
        ({"config_files": [first, second]}, 0.03, f"{second}:2"),
        ({"environ": {"SLT_OPTIM_LR": "0.04"}}, 0.04, "variable SLT_OPTIM_LR"),
        ({"assignments": ["optim.lr=0.05"]}, 0.05, "--set #1"),
        ({"flags": {KEY: "0.06"}}, 0.06, "flag --lr"),
    ]


@pytest.mark.parametrize("count", range(1, 8))
def test_the_last_layer_given_wins(layers, count):
    arguments = {}
    for layer, _, _ in layers[:count]:
        arguments.update(layer)
    loaded = load_settings(**arguments)
    _, value, origin = layers[count - 1]
    assert loaded.settings.optim.lr == value
    assert loaded.origins.get(KEY, "default") == origin


def test_of_two_assignments_the_later_wins_and_is_named():
    loaded = load_settings(assignments=["optim.lr=0.1", "training.epochs=3", "optim.lr=0.2"])
    assert loaded.settings.optim.lr == 0.2
    assert loaded.origins == {KEY: "--set #3", "training.epochs": "--set #2"}


def test_a_flag_that_was_not_given_is_no_layer():
    loaded = load_settings(assignments=["optim.lr=0.1"], flags={KEY: None})
    assert (loaded.settings.optim.lr, loaded.origins[KEY]) == (0.1, "--set #1")


def test_sections_merge_key_by_key(tmp_path):
    path = write(tmp_path / "a.yaml", "model:\n  d_model: 64\noptim:\n")
    settings = load_settings(preset="tiny-cpu", config_files=[path]).settings
    assert settings.model.d_model == 64
    assert settings.model.mska_width == 16


def test_overrides_hold_exactly_what_was_written(tmp_path):
    loaded = load_settings(assignments=["data.corpus=here", "training.epochs=3"])
    assert loaded.overrides() == {
        "data.corpus": {"value": "here", "origin": "--set #1"},
        "training.epochs": {"value": 3, "origin": "--set #2"},
    }


def test_settings_written_to_json_and_read_back_are_the_same():
    settings = load_settings(preset="keypoints-small").settings
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_loaded_settings_cannot_be_changed():
    settings = load_settings().settings
    with pytest.raises(ValueError, match="frozen"):
        settings.optim.lr = 1.0


def test_flat_values_are_the_known_keys_in_order():
    assert list(flat_values(Settings())) == known_keys()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("block.yaml", "# comment\nmodel:\n  # width\n\n  d_model: -1\n", 5),
        ("flow.yaml", "optim: {lr: 0.1}\nmodel: {d_model: -1}\n", 2),
        ("quoted.yaml", "'model':\n  'd_model': -1\n", 2),
        ("same_key_twice.yaml", "data:\n  batch_size: 4\neval:\n  batch_size: -1\n", 4),
        ("flow_then_block.yaml", "optim: {weight_decay: -1}\npretrain:\n  weight_decay: 0\n", 1),
        ("a.json", '{\n  "optim": {"lr": 1},\n  "model": {\n    "d_model": -1\n  }\n}', 4),
        ("one_line.json", '{"model": {"d_model": -1}}', 1),
        ("a.toml", "[optim]\nlr = 0.1\n\n[model]  # shape\nd_model = -1\n", 5),
        ("dotted.toml", "optim.lr = 0.1\nmodel.d_model = -1\n", 2),
    ],
)
def test_files_are_quoted_by_line(tmp_path, name, text, line):
    path = write(tmp_path / name, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(config_files=[path])
    assert [problem.place for problem in caught.value.problems] == [f"{path}:{line}"]


def test_all_problems_at_once_each_with_key_place_and_nearest_name(tmp_path):
    path = write(tmp_path / "a.yaml", "model:\n  mska_head: 6\n  d_model: wide\noptimm:\n  lr: 1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(
            config_files=[path],
            environ={"SLT_TRAINING_EPOCS": "3", "SLT_OPTIM_LR": "fast"},
            assignments=["model.vocab_size=12", "nonsense", "data.corpsu=x"],
            flags={"training.seed": "-4"},
        )
    problems = {problem.key: problem for problem in caught.value.problems}
    places = {key: problem.place for key, problem in problems.items()}
    assert places == {
        "model.mska_head": f"{path}:2",
        "model.d_model": f"{path}:3",
        "optimm": f"{path}:4",
        "SLT_TRAINING_EPOCS": "the environment",
        "optim.lr": "variable SLT_OPTIM_LR",
        "model.vocab_size": "--set #1",
        "nonsense": "--set #2",
        "data.corpsu": "--set #3",
        "training.seed": "flag --seed",
    }
    nearest = {key: problem.nearest for key, problem in problems.items() if problem.nearest}
    assert nearest == {
        "model.mska_head": "model.mska_heads",
        "optimm": "optim",
        "SLT_TRAINING_EPOCS": "SLT_TRAINING_EPOCHS",
        "data.corpsu": "data.corpus",
    }
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("9 problems in the settings\n")
    for key, place in places.items():
        assert f"{key}: " in caught.value.message
        assert f"(from {place})" in caught.value.message


def test_a_key_in_the_wrong_section_is_found_by_its_name():
    with pytest.raises(SettingsError) as caught:
        load_settings(assignments=["model.warmup_steps=3"])
    assert caught.value.problems[0].nearest == "optim.warmup_steps"


def test_variables_that_are_not_settings_are_ignored_and_strangers_noted():
    loaded = load_settings(environ={"SLT_DEBUG": "1", "SLT_COLOUR": "red", "PATH": "/bin"})
    assert loaded.origins == {}
    assert len(loaded.notes) == 1
    assert "SLT_COLOUR" in loaded.notes[0]
