"""The tree itself: every field is described and bounded, every preset works, flags are unique."""

import types
import typing
from pathlib import Path

import pytest

from slt_cli.cli.app import app
from slt_cli.errors import UsageError
from slt_cli.settings.load import load_settings
from slt_cli.settings.preset_files import find_preset, list_presets
from slt_cli.settings.root import iter_fields

PRESETS = [preset.name for preset in list_presets()]
FIELDS = {f"{section}.{name}": field for section, name, field in iter_fields()}
# Names that other code resolves and refuses: backbones by `builders`, presets by `find_preset`.
OPEN_TEXTS = {
    "model.face_backbone", "model.hand_left_backbone", "model.hand_right_backbone", "demo.preset",
    "extract.files_from", "extract.columns", "check.columns",
    "data.tokenizer", "model.decoder_model", "model.decoder_source_code",
    "model.decoder_target_code", "model.decoder_prompt_text", "model.decoder_kwargs",
    "model.decoder_revision",
}  # fmt: skip


def bounds(metadata) -> set[str]:
    return {
        name
        for rule in metadata
        for name in ("ge", "gt", "le", "lt", "pattern")
        if getattr(rule, name, None) is not None
    }


def is_closed(annotation, metadata, key: str) -> bool:
    """Whether a value of this type is bounded on both sides or one of a list."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return is_closed(args[0], annotation.__metadata__, key)
    if origin in (typing.Union, types.UnionType):
        return all(arg is type(None) or is_closed(arg, metadata, key) for arg in args)
    if origin in (list, tuple) or (origin is dict and args[0] is not str):
        return all(is_closed(arg, [], key) for arg in args)
    if origin is typing.Literal or annotation in (bool, Path):
        return True
    found = bounds([*metadata, *(n for m in metadata for n in getattr(m, "metadata", []))])
    if annotation in (int, float):
        return bool(found & {"ge", "gt"}) and bool(found & {"le", "lt"})
    if origin is dict:
        return key in OPEN_TEXTS
    return annotation is str and (key in OPEN_TEXTS or "pattern" in found)


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_says_what_it_is_and_what_it_may_be(key):
    field = FIELDS[key]
    assert field.description
    assert not field.description.endswith(".")
    assert field.description == field.description.strip()
    assert is_closed(field.annotation, field.metadata, key)


def test_a_field_without_bounds_would_be_noticed():
    assert not is_closed(int, [], "x.y")
    assert not is_closed(str, [], "x.y")
    assert not is_closed(list[float], [], "x.y")
    assert not is_closed(dict, [], "x.y")


def leaf_commands(group, path=()):
    for command in group.registered_commands:
        yield (*path, command.name)
    for sub in group.registered_groups:
        yield from leaf_commands(sub.typer_instance, (*path, sub.name))


COMMANDS = [" ".join(path) for path in leaf_commands(app)]


def click_command(path: str):
    import typer.main

    command = typer.main.get_command(app)
    for name in path.split():
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", COMMANDS)
def test_no_two_options_of_a_command_share_a_name(path):
    names = [
        name
        for parameter in click_command(path).params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]
    assert sorted(names) == sorted(set(names))


def test_the_commands_are_those_that_users_are_promised():
    promised = {"extract", "validate", "pretrain", "train", "eval", "export onnx", "translate"}
    promised |= {"presets list", "presets show", "presets copy", "config show", "doctor", "demo"}
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads_alone_and_says_what_it_is_for(name):
    loaded = load_settings(preset=name)
    assert loaded.preset == name
    assert loaded.origins
    assert all(place.startswith(f"preset {name}:") for place in loaded.origins.values())
    preset = next(preset for preset in list_presets() if preset.name == name)
    assert preset.verb in {"train", "pretrain"}
    assert preset.summary


def test_presets_are_listed_by_verb():
    by_verb = {verb: {p.name for p in list_presets(verb)} for verb in ("train", "pretrain")}
    assert by_verb["train"] | by_verb["pretrain"] == set(PRESETS)
    assert not by_verb["train"] & by_verb["pretrain"]
    assert {"tiny-cpu", "keypoints-small"} <= by_verb["train"]


def test_underscores_and_dashes_are_the_same_in_a_preset_name():
    assert find_preset("tiny_cpu") == find_preset("tiny-cpu")


@pytest.mark.parametrize(
    ("name", "nearest"), [("tiny-gpu", "tiny-cpu"), ("keypoint_small", "keypoints-small")]
)
def test_an_unknown_preset_names_the_nearest_and_lists_all(name, nearest):
    with pytest.raises(UsageError) as caught:
        load_settings(preset=name)
    assert f"did you mean {nearest}?" in caught.value.message
    assert all(preset in caught.value.hint for preset in PRESETS)


@pytest.mark.parametrize("name", ["../root", "/etc/passwd", "", ".", "tiny-cpu.yaml"])
def test_a_preset_is_a_name_not_a_path(name):
    with pytest.raises(UsageError, match="unknown preset"):
        find_preset(name)
