"""Turn settings fields into command-line flags, so that both can never disagree."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from slt_cli.cli import aliases
from slt_cli.cli.console import reporting
from slt_cli.pipelines.result import Report, Result
from slt_cli.settings.load import Loaded, load_settings
from slt_cli.settings.preset_files import list_presets
from slt_cli.settings.root import Settings, flag_of, iter_fields, known_keys


@dataclass(frozen=True)
class Call:
    """What a command body needs besides its positional arguments."""

    loaded: Loaded
    dry_run: bool
    report: Report

    @property
    def settings(self) -> Settings:
        """The validated settings tree."""
        return self.loaded.settings


@dataclass
class Outcome:
    """A command's result and how it is to be printed."""

    result: Result
    as_json: bool


CORPUS_PATHS = tuple(
    f"data.{name}"
    for _, name, _ in iter_fields("data")
    if name == "corpus" or (name.endswith(("_dir", "_csv", "_index")) and name != "work_dir")
)
"""The settings that say where a corpus lies."""


def complete_presets(verb: str | None) -> Callable[[str], list[str]]:
    """Shell completion of preset names."""
    return lambda incomplete: [p.name for p in list_presets(verb) if p.name.startswith(incomplete)]


def complete_keys(incomplete: str) -> list[str]:
    """Shell completion of `section.key=`."""
    return [f"{key}=" for key in known_keys() if key.startswith(incomplete)]


def settings_command(
    app: typer.Typer,
    name: str,
    *sections: str,
    presets: str | None = None,
    reads_run: bool = False,
) -> Callable[[Callable[..., Result]], Callable[..., Outcome]]:
    """Register `body(call, *positional) -> Result` as a command with one flag per setting.

    `sections` are the settings sections, or single `section.field`s, that become flags; `presets`
    is the verb whose presets `--preset` offers, None for commands without presets. Commands that
    read a trained run (`reads_run`) refuse the flags that shape one.
    """
    switches = aliases.SWITCHES if presets == "train" else {}

    def decorate(body: Callable[..., Result]) -> Callable[..., Outcome]:
        keys = [*(f"{s}.{n}" for s, n, _ in iter_fields(*sections)), *switches]
        fields = {key.replace(".", "__"): key for key in keys}

        @functools.wraps(body)
        def command(**values: Any) -> Outcome:
            common = {key: values.pop(key, None) for key in _COMMON}
            flags = {fields[key]: values.pop(key) for key in list(values) if key in fields}
            loaded = load_settings(
                preset=values.pop("preset", None),
                config_files=[Path(p) for p in common["config"] or []],
                environ=os.environ,
                assignments=common["set_"] or [],
                flags={
                    key: value or None if value == [] else value for key, value in flags.items()
                },
            )
            return _run(body, loaded, common, values)

        command.__signature__ = _signature(body, sections, presets)  # type: ignore[attr-defined]
        command.__annotations__ = {
            p.name: p.annotation
            for p in command.__signature__.parameters.values()  # type: ignore[attr-defined]
        }
        app.command(name, cls=aliases.ReadsCheckpoint if reads_run else None)(command)
        return command

    return decorate


def _run(
    body: Callable[..., Result], loaded: Loaded, common: dict[str, Any], positional: dict[str, Any]
) -> Outcome:
    with reporting(bool(common["quiet"])) as report, redirect_stdout(sys.stderr):
        for note in loaded.notes:
            report("note", text=note)
        result = body(Call(loaded, bool(common["dry_run"]), report), **positional)
    return Outcome(result, bool(common["json_"]))


def _switch(*names: str, help: str) -> Any:
    """An option that takes no value, and shows none in the help."""
    return Annotated[bool, typer.Option(*names, metavar="", help=help)]


_COMMON: dict[str, Any] = {
    "config": Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="FILE", help="YAML, JSON or TOML file; repeatable."),
    ],
    "set_": Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set any section.key; repeatable.",
            autocompletion=complete_keys,
        ),
    ],
    "dry_run": _switch("--dry-run", help="Check everything, show the plan, write nothing."),
    "json_": _switch("--json", help="Print one JSON object on stdout."),
    "quiet": _switch("--quiet", "-q", help="No progress on stderr."),
    "debug": _switch("--debug", help="Show tracebacks and native messages."),
}  # fmt: skip


def _signature(
    body: Callable[..., Result], sections: tuple[str, ...], presets: str | None
) -> inspect.Signature:
    own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    if presets:
        names = aliases.PRESET_NAMES if presets == "train" else aliases.PRESET_NAMES[:2]
        option = typer.Option(
            *names, metavar="NAME", help="Named starting point (slt presets list).",
            autocompletion=complete_presets(presets),
        )  # fmt: skip
        parameters.append(_parameter("preset", Annotated[str | None, option], None))
    for key, annotation in _COMMON.items():
        default = False if typing.get_args(annotation)[0] is bool else None
        parameters.append(_parameter(key, annotation, default))
    for section, name, field in iter_fields(*sections):
        parameters.append(_parameter(f"{section}__{name}", _option(section, name, field), None))
    if presets == "train":
        parameters += [_switch_parameter(key, *told) for key, told in aliases.SWITCHES.items()]
    return inspect.Signature(parameters)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _switch_parameter(key: str, names: str, help: str) -> inspect.Parameter:
    """The option of an old key that is true or false and no setting of its own."""
    panel = f"{key.partition('.')[0]} settings"
    option = typer.Option(
        names, metavar="", help=help, rich_help_panel=panel, show_default=False
    )  # fmt: skip
    return _parameter(key.replace(".", "__"), Annotated[bool | None, option], None)


def _option(section: str, name: str, field: Any) -> Any:
    """The Typer option of one field: text in, checked by Pydantic with everything else."""
    flag = flag_of(name, field)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    names = [flag] + ([extra["short"]] if "short" in extra else [])
    names += aliases.NAMES.get(f"{section}.{name}", ())
    panel = f"{section} settings"
    if field.annotation is bool:
        both = f"{flag}/--no-{flag[2:]}"
        names = [both, *names[1:]]
        return Annotated[
            bool | None,
            typer.Option(
                *names, metavar="", help=_help(field), rich_help_panel=panel, show_default=False
            ),
        ]
    kind = list[str] | None if _repeatable(field.annotation) else str | None
    choices = _choices(field.annotation)
    option = typer.Option(
        *names, help=_help(field), metavar=_metavar(field.annotation), rich_help_panel=panel,
        show_default=False,
        autocompletion=(lambda incomplete: [c for c in choices if c.startswith(incomplete)])
        if choices else None,
    )  # fmt: skip
    return Annotated[kind, option]


def _repeatable(annotation: Any) -> bool:
    """Lists, and mappings of which the names are known."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    return origin is list or (origin is dict and typing.get_origin(args[0]) is typing.Literal)


def _help(field: Any) -> str:
    default = field.default
    if default is None or default in ([], {}):
        return str(field.description)
    if isinstance(default, (tuple, list)):
        default = ",".join(str(part) for part in default)
    elif isinstance(default, bool):
        default = "on" if default else "off"
    return f"{field.description} \\[{default}]"


def _choices(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return [str(choice) for choice in typing.get_args(annotation)]
    if typing.get_origin(annotation) is list:
        return _choices(typing.get_args(annotation)[0])
    return []


def _metavar(annotation: Any) -> str:
    choices = _choices(annotation)
    if choices:
        return "|".join(choices)
    text = str(annotation)
    for word, shown in (
        ("dict[typing.Literal", "NAME[:P]"),
        ("dict", "JSON"),
        ("tuple", "MIN,MAX"),
        ("Path", "PATH"),
        ("float", "NUMBER"),
        ("int", "INTEGER"),
    ):
        if word in text:
            return shown
    return "TEXT"
