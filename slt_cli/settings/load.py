"""Layered loading: defaults < preset < files < SLT_* < --set < flags; each value has its origin.

Spellings of the older scripts (`aliases`) are read as what they mean now, and what nothing says
follows from the rest where it can (`derived`).
"""

from __future__ import annotations

import difflib
import json
import os
import reprlib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from slt_cli.errors import UsageError
from slt_cli.settings import aliases
from slt_cli.settings.derived import derived_values
from slt_cli.settings.files import line_of, read_config
from slt_cli.settings.preset_files import find_preset
from slt_cli.settings.root import Settings, flag_of, known_keys, section_classes

ENV_PREFIX = "SLT_"
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
# Variables that are not settings; docs/settings.md lists them with the settings.
OTHER_VARIABLES = frozenset(
    {"SLT_ASSETS", "SLT_SINGLE_SIGNER_CHECKPOINT", "SLT_TEST_DATA", "SLT_TEST_KILL_AT", "SLT_DEBUG"}
)


@dataclass(frozen=True)
class Origin:
    """A value before validation and the place it was written."""

    value: Any
    place: str


Layer = dict[str, Origin]
"""`section.field` -> what one layer says, or all of them together."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the settings."""

    key: str
    place: str
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        """One line: key, reason, where it was written, nearest known name."""
        tail = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.key}: {self.message} (from {self.place}){tail}"


class SettingsError(UsageError):
    """Everything that is wrong with the settings, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{count} in the settings{lines}", hint="slt config show")
        self.problems = list(problems)


@dataclass(frozen=True)
class Loaded:
    """Validated settings, where each changed value came from, and notes for the user."""

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)
    preset: str | None = None
    notes: list[str] = field(default_factory=list)

    def overrides(self) -> dict[str, Any]:
        """Every key that is not a default: {key: {value, origin}} in JSON form."""
        values = flat_values(self.settings)
        return {
            key: {"value": values[key], "origin": place}
            for key, place in sorted(self.origins.items())
        }


def flat_values(settings: Settings) -> dict[str, Any]:
    """`section.field` -> value in JSON form."""
    tree = settings.model_dump(mode="json")
    return {f"{s}.{name}": value for s, fields in tree.items() for name, value in fields.items()}


def load_settings(
    *,
    preset: str | None = None,
    config_files: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Loaded:
    """Merge the layers and validate the result.

    `assignments` are the texts given to `--set`; `flags` maps `section.field` to flag values, None
    meaning not given. Raises `SettingsError` listing every problem with its origin.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    layers = [_of_file(path, label, problems) for path, label in _files(preset, config_files)]
    layers.append(_of_environment(environ or {}, problems, notes))
    layers.append(_of_assignments(assignments, problems))
    notes += _old_names(layers)
    layers.append(_of_flags(flags or {}))
    merged: Layer = {}
    for layer in layers:
        if "model.streams" in layer:
            merged.pop(aliases.USE_MSKA, None)
        merged |= _current(layer, problems)
    merged = _with_derived(merged, problems)
    settings = _validate(merged, problems)
    return Loaded(settings, {k: o.place for k, o in merged.items()}, preset, notes)


def parse_text(annotation: Any, text: str) -> Any:
    """Turn the text of a flag, variable or `--set` into what Pydantic expects for `annotation`.

    `null` is None where that is allowed; lists, ranges and mappings are comma-separated or JSON.
    """
    options = _union_members(annotation)
    if type(None) in options and text.strip().lower() in {"null", "none", ""}:
        return None
    for option in options:
        origin = typing.get_origin(option)
        if origin in (list, tuple, dict):
            stripped = text.strip()
            if stripped.startswith(("[", "{")):
                try:
                    return json.loads(stripped)
                except ValueError:
                    return text
            return [part.strip() for part in stripped.split(",")] if stripped else []
    return text


def nearest_key(key: str, known: Iterable[str] | None = None) -> str | None:
    """The known name most like `key`, if any is close."""
    names = list(known) if known is not None else known_keys()
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if not close and "." in key:
        tail = key.rsplit(".", 1)[1]
        by_tail = {name.rsplit(".", 1)[1]: name for name in names if "." in name}
        close = [by_tail[n] for n in difflib.get_close_matches(tail, by_tail, n=1, cutoff=0.75)]
    return close[0] if close else None


def _union_members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _annotation(key: str) -> Any:
    if key == aliases.USE_MSKA:
        return bool
    section, name = (aliases.KEYS[key].key if key in aliases.KEYS else key).split(".", 1)
    return section_classes()[section].model_fields[name].annotation


def _flag_name(key: str) -> str:
    section, name = key.split(".", 1)
    field = section_classes()[section].model_fields.get(name)
    return flag_of(name, field) if field else "--" + name.replace("_", "-")


def _from_flag(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return parse_text(_annotation(key), value)
    if isinstance(value, list):
        parsed = [parse_text(_annotation(key), text) for text in value]
        return parsed[0] if len(parsed) == 1 else [p for part in parsed for p in _parts(part)]
    return value


def _parts(parsed: Any) -> list[Any]:
    """The parts of one of several values of a flag; what is no list stays whole."""
    return parsed if isinstance(parsed, list) else [parsed]


def _files(preset: str | None, config_files: Sequence[Path]) -> list[tuple[Path, str]]:
    files = [(find_preset(preset), f"preset {preset}")] if preset else []
    return files + [(path, str(path)) for path in config_files]


def _of_file(path: Path, label: str, problems: list[Problem]) -> Layer:
    tree = read_config(path)
    text = path.read_text("utf-8-sig")
    layer: Layer = {}

    def place(section: str, name: str | None) -> str:
        line = line_of(text, section, name)
        return f"{label}:{line}" if line else label

    for section, fields in tree.items():
        if section not in section_classes():
            near = nearest_key(str(section), section_classes())
            problems.append(
                Problem(str(section), place(str(section), None), "unknown section", near)
            )
        elif fields is not None and not isinstance(fields, dict):
            problems.append(Problem(section, place(section, None), "must hold keys and values"))
        else:
            for name, value in (fields or {}).items():
                key, origin = f"{section}.{name}", Origin(value, place(section, str(name)))
                if _is_key(key):
                    layer[key] = origin
                else:
                    near = nearest_key(key)
                    problems.append(Problem(key, origin.place, "unknown key", near))
    return layer


def _of_environment(environ: Mapping[str, str], problems: list[Problem], notes: list[str]) -> Layer:
    keys = (*known_keys(), *aliases.KEYS, aliases.USE_MSKA)
    known = {ENV_PREFIX + key.replace(".", "_").upper(): key for key in keys}
    layer: Layer = {}
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in OTHER_VARIABLES:
            continue
        if variable in known:
            key = known[variable]
            layer[key] = Origin(_from_variable(_annotation(key), text), f"variable {variable}")
        elif variable.split("_")[1].lower() in section_classes():
            near = nearest_key(variable, known)
            problems.append(Problem(variable, "the environment", "unknown setting", near))
        else:
            notes.append(f"ignored the environment variable {variable}: no setting has that name")
    return layer


def _from_variable(annotation: Any, text: str) -> Any:
    """As `parse_text`; folders may also be separated like those of PATH."""
    if annotation == list[Path] and not text.strip().startswith("["):
        text = text.replace(os.pathsep, ",")
    return parse_text(annotation, text)


def _of_assignments(assignments: Sequence[str], problems: list[Problem]) -> Layer:
    layer: Layer = {}
    for number, assignment in enumerate(assignments, 1):
        key, equals, text = assignment.partition("=")
        key, place = key.strip(), f"--set #{number}"
        if not equals:
            near = None if key in known_keys() else nearest_key(key)
            problems.append(Problem(key, place, "expected section.key=value", near))
        elif not _is_key(key):
            problems.append(Problem(key, place, "unknown key", nearest_key(key)))
        else:
            layer[key] = Origin(parse_text(_annotation(key), text.strip()), place)
    return layer


def _of_flags(flags: Mapping[str, Any]) -> Layer:
    return {
        key: Origin(_from_flag(key, value), f"flag {_flag_name(key)}")
        for key, value in flags.items()
        if value is not None
    }


def _is_key(key: str) -> bool:
    return aliases.is_old_key(key) or key in set(known_keys())


def _old_names(layers: Sequence[Layer]) -> list[str]:
    """One note for every older name that is in use, at the place that counts."""
    places = {
        key: origin.place
        for layer in layers
        for key, origin in layer.items()
        if aliases.is_old_key(key)
    }
    return [
        f"{key} ({place}) is an older name: write {aliases.replacement(key)}"
        for key, place in places.items()
    ]


def _current(layer: Layer, problems: list[Problem]) -> Layer:
    """The layer in the names and values of today."""
    found: Layer = {}
    for old, (value, place) in ((key, (o.value, o.place)) for key, o in layer.items()):
        key, opposite = aliases.KEYS.get(old, aliases.Renamed(old))
        try:
            value = not aliases.truth(value) if opposite else aliases.current_value(key, value)
            found[key] = Origin(value, place)
        except ValueError as error:
            problems.append(Problem(old, place, str(error)))
    return found


def _with_derived(merged: Layer, problems: list[Problem]) -> Layer:
    """With the settings that follow from those given, each with the places of these."""
    given = {key: origin.value for key, origin in merged.items()}
    found: Layer = {}
    try:
        for key, value, because in derived_values(given):
            places = dict.fromkeys(merged[name].place for name in because)
            found[key] = Origin(value, ", ".join(places))
    except ValueError as error:
        place = merged[aliases.USE_MSKA].place
        problems.append(Problem(aliases.USE_MSKA, place, str(error)))
    return {key: o for key, o in (merged | found).items() if key != aliases.USE_MSKA}


def _validate(merged: Mapping[str, Origin], problems: list[Problem]) -> Settings:
    tree: dict[str, dict[str, Any]] = {}
    for key, origin in merged.items():
        section, name = key.split(".", 1)
        tree.setdefault(section, {})[name] = origin.value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems.extend(_problem(detail, merged) for detail in error.errors())
        raise SettingsError(problems) from error
    if problems:
        raise SettingsError(problems)
    return settings


def _problem(detail: Any, merged: Mapping[str, Origin]) -> Problem:
    path = [str(part) for part in detail["loc"]]
    key = ".".join(path[:2])
    message = detail["msg"].removeprefix("Value error, ")
    if key in merged:
        shown = _short.repr(merged[key].value)
        return Problem(key, merged[key].place, f"{message}, not {shown}")
    written = [
        f"{k} from {o.place}"
        for k, o in merged.items()
        if k.startswith(key + ".") and k.rsplit(".", 1)[1] in message
    ]
    return Problem(key, "; ".join(written) or "the defaults", message)
